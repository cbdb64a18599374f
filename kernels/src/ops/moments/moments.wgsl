const TILE: u32 = 16u;

struct Params {
    n: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> centre: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;

var<workgroup> sums: array<vec2<f32>, GROUP>;

// Sums of w (z - centre) and w (z - centre)^2 over each block of rows: 16 lanes of rows, then a tree over
// the lanes. partial: [blocks, 2, H].
@compute @workgroup_size(GROUP)
fn moments(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let tx = t % TILE;
    let ty = t / TILE;
    let j = group.x * TILE + tx;
    let first = group.y * LINEAR_BLOCK_ROWS;
    let end = min(first + LINEAR_BLOCK_ROWS, p.n);
    var sum = vec2<f32>(0.0f, 0.0f);
    for (var i = first + ty; j < p.width && i < end; i += TILE) {
        let d = z[i * p.width + j] - centre[j];
        let weighted = weight[i] * d;
        sum += vec2<f32>(weighted, weighted * d);
    }
    sums[t] = sum;
    workgroupBarrier();
    for (var lanes = TILE / 2u; lanes > 0u; lanes >>= 1u) {
        if (ty < lanes) {
            sums[t] += sums[t + lanes * TILE];
        }
        workgroupBarrier();
    }
    if (ty == 0u && j < p.width) {
        let out = 2u * group.y * p.width + j;
        partial[out] = sums[t].x;
        partial[out + p.width] = sums[t].y;
    }
}
