struct Params {
    n: u32,
    taps: u32,
    length: u32,
    inner: u32,
    extent: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> volume: array<f32>;
@group(0) @binding(2) var<storage, read> tap: array<f32>;
@group(0) @binding(3) var<storage, read> place: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

// A thread per output; terms are added in the order of the taps. Lines of `extent` values are read at `place` and
// become `length` long; `inner` outputs lie between two that follow each other on a line.
@compute @workgroup_size(GROUP)
fn convolve(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i >= p.n) {
        return;
    }
    let o = i / p.inner % p.length;
    let first = i / p.inner / p.length * p.extent * p.inner + i % p.inner;
    var sum = 0.0f;
    for (var j = 0u; j < p.taps; j++) {
        sum += tap[j] * volume[first + place[o + p.taps - 1u - j] * p.inner];
    }
    out[i] = sum;
}
