struct Params {
    n: u32,
    rate: f32,
    second: f32,
    b1: f32,
    b2: f32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> square: array<f32>;

@compute @workgroup_size(GROUP)
fn adam(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if (i < params.n) {
        let g = gradient[i];
        let m = fma(params.b1, g - mean[i], mean[i]);
        let v = fma(params.b2, g * g - square[i], square[i]);
        parameter[i] = parameter[i] - params.rate * m / (sqrt(v * params.second) + params.epsilon);
        mean[i] = m;
        square[i] = v;
    }
}
