struct Params {
    n: u32,  // elements of this piece
    first: u32,  // elements before it
    stride: u32,  // words of a problem's vector
    trainable: u32,  // of these, what moves
    momentum: f32,
    nesterov: u32,
}

// parameter, gradient: [B, stride]; step: [B, STEP_WORDS].
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(4) var<storage, read> step: array<u32>;

@compute @workgroup_size(GROUP)
fn sgd(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    let at = params.first + i;
    let s = STEP_WORDS * (at / params.stride);
    if (i < params.n && at % params.stride < params.trainable && step[s + STEP_ACTIVE] != 0u) {
        let g = gradient[i];
        let u = fma(params.momentum, velocity[i], g);
        velocity[i] = u;
        let pull = select(u, fma(params.momentum, u, g), params.nesterov != 0u);
        parameter[i] = parameter[i] - bitcast<f32>(step[s + STEP_RATE]) * pull;
    }
}
