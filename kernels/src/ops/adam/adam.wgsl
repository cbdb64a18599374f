struct Params {
    n: u32,  // elements of this piece
    first: u32,  // elements before it
    stride: u32,  // words of a problem's vector
    trainable: u32,  // of these, what moves
    b1: f32,
    b2: f32,
    epsilon: f32,
}

// parameter, gradient: [B, stride]; step: [B, STEP_WORDS].
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> square: array<f32>;
@group(0) @binding(5) var<storage, read> step: array<u32>;

@compute @workgroup_size(GROUP)
fn adam(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    let at = params.first + i;
    let s = STEP_WORDS * (at / params.stride);
    if (i < params.n && at % params.stride < params.trainable && step[s + STEP_ACTIVE] != 0u) {
        let rate = bitcast<f32>(step[s + STEP_RATE]);
        let second = bitcast<f32>(step[s + STEP_SECOND]);
        let g = gradient[i];
        let m = fma(params.b1, g - mean[i], mean[i]);
        let v = fma(params.b2, g * g - square[i], square[i]);
        parameter[i] = parameter[i] - rate * m / (sqrt(v * second) + params.epsilon);
        mean[i] = m;
        square[i] = v;
    }
}
