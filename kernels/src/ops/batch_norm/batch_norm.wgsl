// One group of threads per problem and unit for the sums, one thread per element for the rest. Rows may
// come in pieces: sums go on with what is there, and the last piece finishes the moments.
struct Params {
    problems: u32,
    n: u32,
    width: u32,
    weighted: u32,
    scale_at: u32,  // scale, then shift, in a problem's parameters
    mean_at: u32,  // running mean, then variance
    stride: u32,
    first: u32,
    last: u32,
    kind: u32,
    threshold: u32,
    layer: u32,
    scale: f32,
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

fn positive(weight: f32) -> f32 {
    return select(1.0f, weight, weight > 0.0f);
}

@group(0) @binding(1) var<storage, read> sums_z: array<f32>;
@group(0) @binding(2) var<storage, read> sums_weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums_moments: array<f32>;

// moments: [B, H, 6] sum of w z and of w, then sums of w d and w d^2 with d = z - mean as rounded,
// mean, 1 / sqrt(var + eps).
@compute @workgroup_size(GROUP)
fn batch_norm_sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let u = group.y * groups.x + group.x;
    if (u >= p.problems * p.width) {
        return;
    }
    let k = u / p.width;
    let j = u % p.width;
    var own = vec2<f32>(0.0f, 0.0f);
    for (var i = t; i < p.n; i += GROUP) {
        var w = 1.0f;
        if (p.weighted != 0u) {
            w = sums_weight[k * p.n + i];
        }
        own += vec2<f32>(w * sums_z[(k * p.n + i) * p.width + j], w);
    }
    let sums = total(t, own);
    if (t == 0u) {
        var before = vec2<f32>(0.0f, 0.0f);
        if (p.first == 0u) {
            before = vec2<f32>(sums_moments[6u * u], sums_moments[6u * u + 1u]);
        }
        sums_moments[6u * u] = before.x + sums.x;
        sums_moments[6u * u + 1u] = before.y + sums.y;
    }
}

@group(0) @binding(1) var<storage, read> squares_z: array<f32>;
@group(0) @binding(2) var<storage, read> squares_weight: array<f32>;
@group(0) @binding(3) var<storage, read> squares_step: array<u32>;
@group(0) @binding(4) var<storage, read_write> squares_moments: array<f32>;
@group(0) @binding(5) var<storage, read_write> squares_params: array<f32>;

// The mean was rounded: what is left of it is taken off the second moment. The running moments in the
// parameters move by BATCH_NORM_MOMENTUM where the problem takes a step.
@compute @workgroup_size(GROUP)
fn batch_norm_squares(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let u = group.y * groups.x + group.x;
    if (u >= p.problems * p.width) {
        return;
    }
    let k = u / p.width;
    let j = u % p.width;
    let all = positive(squares_moments[6u * u + 1u]);
    let mean = squares_moments[6u * u] / all;
    var own = vec2<f32>(0.0f, 0.0f);
    for (var i = t; i < p.n; i += GROUP) {
        var w = 1.0f;
        if (p.weighted != 0u) {
            w = squares_weight[k * p.n + i];
        }
        let d = squares_z[(k * p.n + i) * p.width + j] - mean;
        own += vec2<f32>(w * d, w * d * d);
    }
    var sums = total(t, own);
    if (t == 0u) {
        if (p.first == 0u) {
            sums += vec2<f32>(squares_moments[6u * u + 2u], squares_moments[6u * u + 3u]);
        }
        squares_moments[6u * u + 2u] = sums.x;
        squares_moments[6u * u + 3u] = sums.y;
        if (p.last != 0u) {
            let rest = sums.x / all;
            let variance = max(sums.y / all - rest * rest, 0.0f);
            squares_moments[6u * u + 4u] = mean + rest;
            squares_moments[6u * u + 5u] = 1.0f / sqrt(variance + BATCH_NORM_EPSILON);
            if (squares_step[STEP_WORDS * k + STEP_ACTIVE] != 0u) {
                let at = k * p.stride + p.mean_at + j;
                let was = vec2<f32>(squares_params[at], squares_params[at + p.width]);
                squares_params[at] = fma(BATCH_NORM_MOMENTUM, mean + rest - was.x, was.x);
                squares_params[at + p.width] = fma(BATCH_NORM_MOMENTUM, variance - was.y, was.y);
            }
        }
    }
}

@group(0) @binding(1) var<storage, read> forward_z: array<f32>;
@group(0) @binding(2) var<storage, read> forward_moments: array<f32>;
@group(0) @binding(3) var<storage, read> forward_params: array<f32>;
@group(0) @binding(4) var<storage, read> forward_patient: array<u32>;
@group(0) @binding(5) var<storage, read> forward_step: array<u32>;
@group(0) @binding(6) var<storage, read_write> forward_x: array<f32>;
@group(0) @binding(7) var<storage, read_write> forward_y: array<f32>;

// x is normalised; y = dropout(activation(scale x + shift)).
@compute @workgroup_size(GROUP)
fn batch_norm_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let e = element(group, groups, t);
    if (e < p.problems * p.n * p.width) {
        let j = e % p.width;
        let row = e / p.width % p.n;
        let k = e / p.width / p.n;
        let u = k * p.width + j;
        let at = k * p.stride + p.scale_at + j;
        let s = STEP_WORDS * k;
        let x = (forward_z[e] - forward_moments[6u * u + 4u]) * forward_moments[6u * u + 5u];
        forward_x[e] = x;
        let a = activation_value(p.kind, fma(forward_params[at], x, forward_params[at + p.width]));
        let key = vec2<u32>(forward_step[s + STEP_KEY], forward_step[s + STEP_KEY + 1u]);
        let kept = p.threshold == 0u || keeps(forward_patient[2u * row], forward_patient[2u * row + 1u], j, p.layer,
                                              forward_step[s + STEP_NUMBER], key, p.threshold);
        forward_y[e] = select(0.0f, a * p.scale, kept);
    }
}

@group(0) @binding(1) var<storage, read> slopes_dy: array<f32>;
@group(0) @binding(2) var<storage, read> slopes_x: array<f32>;
@group(0) @binding(3) var<storage, read_write> slopes_gradient: array<f32>;

// Gradients of scale and shift, at their places.
@compute @workgroup_size(GROUP)
fn batch_norm_slopes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let u = group.y * groups.x + group.x;
    if (u >= p.problems * p.width) {
        return;
    }
    let k = u / p.width;
    let j = u % p.width;
    var own = vec2<f32>(0.0f, 0.0f);
    for (var i = t; i < p.n; i += GROUP) {
        let e = (k * p.n + i) * p.width + j;
        own += vec2<f32>(slopes_dy[e] * slopes_x[e], slopes_dy[e]);
    }
    let sums = total(t, own);
    if (t == 0u) {
        let at = k * p.stride + p.scale_at + j;
        var before = vec2<f32>(0.0f, 0.0f);
        if (p.first == 0u) {
            before = vec2<f32>(slopes_gradient[at], slopes_gradient[at + p.width]);
        }
        slopes_gradient[at] = before.x + sums.x;
        slopes_gradient[at + p.width] = before.y + sums.y;
    }
}

@group(0) @binding(1) var<storage, read> backward_dy: array<f32>;
@group(0) @binding(2) var<storage, read> backward_x: array<f32>;
@group(0) @binding(3) var<storage, read> backward_weight: array<f32>;
@group(0) @binding(4) var<storage, read> backward_moments: array<f32>;
@group(0) @binding(5) var<storage, read> backward_params: array<f32>;
@group(0) @binding(6) var<storage, read> backward_gradient: array<f32>;
@group(0) @binding(7) var<storage, read_write> backward_dz: array<f32>;

@compute @workgroup_size(GROUP)
fn batch_norm_dz(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let e = element(group, groups, t);
    if (e < p.problems * p.n * p.width) {
        let j = e % p.width;
        let row = e / p.width;
        let k = row / p.n;
        let u = k * p.width + j;
        let at = k * p.stride + p.scale_at + j;
        var w = 1.0f;
        if (p.weighted != 0u) {
            w = backward_weight[row];
        }
        let share = w / positive(backward_moments[6u * u + 1u]);
        let pull = share * fma(backward_x[e], backward_gradient[at], backward_gradient[at + p.width]);
        backward_dz[e] = backward_params[at] * backward_moments[6u * u + 5u] * (backward_dy[e] - pull);
    }
}
