// One group of threads per unit for the sums, one thread per element for the rest.
struct Params {
    n: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> p: Params;

var<workgroup> shared_sum: array<vec2<f32>, GROUP>;

// Sum over the threads by a fixed tree; every thread gets it.
fn total(t: u32, own: vec2<f32>) -> vec2<f32> {
    shared_sum[t] = own;
    workgroupBarrier();
    for (var d = GROUP / 2u; d > 0u; d >>= 1u) {
        if (t < d) {
            shared_sum[t] += shared_sum[t + d];
        }
        workgroupBarrier();
    }
    let sum = shared_sum[0];
    workgroupBarrier();
    return sum;
}

@group(0) @binding(1) var<storage, read> moments_z: array<f32>;
@group(0) @binding(2) var<storage, read> moments_weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments_out: array<f32>;

// [H, 3]: mean, 1 / sqrt(var + eps), summed weight (1 where it is 0).
@compute @workgroup_size(GROUP)
fn batch_norm_moments(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let j = group.y * groups.x + group.x;
    if (j >= p.width) {
        return;
    }
    var own = vec2<f32>(0.0f, 0.0f);
    for (var i = t; i < p.n; i += GROUP) {
        own += vec2<f32>(moments_weight[i] * moments_z[i * p.width + j], moments_weight[i]);
    }
    let sums = total(t, own);
    let weight = select(1.0f, sums.y, sums.y > 0.0f);
    let mean = sums.x / weight;
    // The mean was rounded: what is left of it is taken off the second moment.
    own = vec2<f32>(0.0f, 0.0f);
    for (var i = t; i < p.n; i += GROUP) {
        let d = moments_z[i * p.width + j] - mean;
        own += vec2<f32>(moments_weight[i] * d, moments_weight[i] * d * d);
    }
    let rest = total(t, own) / weight;
    if (t == 0u) {
        moments_out[3u * j] = mean + rest.x;
        moments_out[3u * j + 1u] = 1.0f / sqrt(max(rest.y - rest.x * rest.x, 0.0f) + BATCH_NORM_EPSILON);
        moments_out[3u * j + 2u] = weight;
    }
}

@group(0) @binding(1) var<storage, read> forward_z: array<f32>;
@group(0) @binding(2) var<storage, read> forward_moments: array<f32>;
@group(0) @binding(3) var<storage, read> forward_scale: array<f32>;
@group(0) @binding(4) var<storage, read> forward_shift: array<f32>;
@group(0) @binding(5) var<storage, read_write> forward_x: array<f32>;
@group(0) @binding(6) var<storage, read_write> forward_y: array<f32>;

@compute @workgroup_size(GROUP)
fn batch_norm_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let e = element(group, groups, t);
    if (e < p.n * p.width) {
        let j = e % p.width;
        let x = (forward_z[e] - forward_moments[3u * j]) * forward_moments[3u * j + 1u];
        forward_x[e] = x;
        forward_y[e] = fma(forward_scale[j], x, forward_shift[j]);
    }
}

@group(0) @binding(1) var<storage, read> sums_dy: array<f32>;
@group(0) @binding(2) var<storage, read> sums_x: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums_dscale: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums_dshift: array<f32>;

@compute @workgroup_size(GROUP)
fn batch_norm_sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let j = group.y * groups.x + group.x;
    if (j >= p.width) {
        return;
    }
    var own = vec2<f32>(0.0f, 0.0f);
    for (var i = t; i < p.n; i += GROUP) {
        let dy = sums_dy[i * p.width + j];
        own += vec2<f32>(dy * sums_x[i * p.width + j], dy);
    }
    let sums = total(t, own);
    if (t == 0u) {
        sums_dscale[j] = sums.x;
        sums_dshift[j] = sums.y;
    }
}

@group(0) @binding(1) var<storage, read> backward_dy: array<f32>;
@group(0) @binding(2) var<storage, read> backward_x: array<f32>;
@group(0) @binding(3) var<storage, read> backward_weight: array<f32>;
@group(0) @binding(4) var<storage, read> backward_scale: array<f32>;
@group(0) @binding(5) var<storage, read> backward_moments: array<f32>;
@group(0) @binding(6) var<storage, read> backward_dscale: array<f32>;
@group(0) @binding(7) var<storage, read> backward_dshift: array<f32>;
@group(0) @binding(8) var<storage, read_write> backward_dz: array<f32>;

@compute @workgroup_size(GROUP)
fn batch_norm_dz(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let e = element(group, groups, t);
    if (e < p.n * p.width) {
        let j = e % p.width;
        let share = backward_weight[e / p.width] / backward_moments[3u * j + 2u];
        let pull = share * fma(backward_x[e], backward_dscale[j], backward_dshift[j]);
        backward_dz[e] = backward_scale[j] * backward_moments[3u * j + 1u] * (backward_dy[e] - pull);
    }
}
