struct Params {
    lines: u32,
    extent: u32,
    inner: u32,
    begin: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> volume: array<f32>;
@group(0) @binding(2) var<storage, read> coefficient: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn row(k: u32) -> vec4<f32> {
    return vec4<f32>(coefficient[4u * k], coefficient[4u * k + 1u], coefficient[4u * k + 2u], coefficient[4u * k + 3u]);
}

fn weighted(c: vec4<f32>, x: vec4<f32>) -> f32 {
    return x.x * c.x + x.y * c.y + x.z * c.z + x.w * c.w;
}

// What earlier outputs add, `done` of them being there; the border stands for the others.
fn recalled(d: vec4<f32>, y: vec4<f32>, border: vec4<f32>, done: u32) -> f32 {
    let there = vec4<u32>(done) > vec4<u32>(0u, 1u, 2u, 3u);
    let terms = select(border, y * d, there);
    return terms.x + terms.y + terms.z + terms.w;
}

// A thread per line: forward, then backward, whose sum is written from place `begin` to before `end`. `inner` values
// lie between two that follow each other on a line. coefficient: [5, 4] n, m, d, border n, border m.
@compute @workgroup_size(GROUP)
fn recursive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let line = element(group, groups, t);
    if (line >= p.lines) {
        return;
    }
    let n = row(0u);
    let m = row(1u);
    let d = row(2u);
    let read = line / p.inner * p.extent * p.inner + line % p.inner;
    let written = line / p.inner * (p.end - p.begin) * p.inner + line % p.inner;
    var border = volume[read];
    var x = vec4<f32>(border);
    var y = vec4<f32>(0.0f);
    for (var i = 0u; i < p.end; i++) {
        x = vec4<f32>(volume[read + i * p.inner], x.xyz);
        let value = weighted(n, x) - recalled(d, y, border * row(3u), i);
        y = vec4<f32>(value, y.xyz);
        if (i >= p.begin) {
            out[written + (i - p.begin) * p.inner] = value;
        }
    }
    border = volume[read + (p.extent - 1u) * p.inner];
    x = vec4<f32>(border);
    y = vec4<f32>(0.0f);
    for (var back = p.extent; back > p.begin; back--) {
        let i = back - 1u;
        let value = weighted(m, x) - recalled(d, y, border * row(4u), p.extent - back);
        x = vec4<f32>(volume[read + i * p.inner], x.xyz);
        y = vec4<f32>(value, y.xyz);
        if (i < p.end) {
            let at = written + (i - p.begin) * p.inner;
            out[at] = out[at] + value;
        }
    }
}
