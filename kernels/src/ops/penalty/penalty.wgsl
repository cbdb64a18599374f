struct Params {
    n: u32,  // elements
    stride: u32,  // words of a problem's vector
    mu: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> anchor: array<f32>;
@group(0) @binding(3) var<storage, read> decay: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(GROUP)
fn penalty(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if (i < p.n) {
        let x = parameter[i];
        gradient[i] = fma(decay[i % p.stride], x, fma(p.mu, x - anchor[i], gradient[i]));
    }
}
