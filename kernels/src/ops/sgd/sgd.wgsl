struct Params {
    n: u32,
    rate: f32,
    momentum: f32,
    nesterov: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> velocity: array<f32>;

@compute @workgroup_size(GROUP)
fn sgd(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if (i < params.n) {
        let g = gradient[i];
        let u = fma(params.momentum, velocity[i], g);
        velocity[i] = u;
        parameter[i] = parameter[i] - params.rate * select(u, fma(params.momentum, u, g), params.nesterov != 0u);
    }
}
