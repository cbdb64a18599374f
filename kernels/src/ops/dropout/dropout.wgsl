struct Params {
    n: u32,
    width: u32,
    threshold: u32,
    layer: u32,
    step: u32,
    key0: u32,
    key1: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [N, 2]: low and high words.
@group(0) @binding(1) var<storage, read> patient: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(GROUP)
fn dropout(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if (i < params.n) {
        let row = i / params.width;
        let key = vec2<u32>(params.key0, params.key1);
        let kept = keeps(patient[2u * row], patient[2u * row + 1u], i % params.width, params.layer, params.step,
                         key, params.threshold);
        y[i] = select(0.0f, a[i] * params.scale, kept);
    }
}
