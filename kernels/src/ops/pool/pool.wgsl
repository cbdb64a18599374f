struct Params {
    tiles: u32,
    width: u32,
    stored: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

// Sums over blocks of POOL_BLOCK tiles, tile after tile. partial: [blocks, 4, D].
@compute @workgroup_size(GROUP)
fn pool_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = group.x * GROUP + thread;
    let first = group.y * POOL_BLOCK;
    let end = min(first + POOL_BLOCK, p.tiles);
    if (j < p.width) {
        var sum = 0.0f;
        var square = 0.0f;
        var most = 0.0f;
        var least = 0.0f;
        for (var tile = first; tile < end; tile++) {
            let at = tile * p.width + j;
            let x = stored_value(rows[select(at / 2u, at, p.stored == STORED_F32)], at % 2u, p.stored);
            let d = x - shift[j];
            sum += d;
            square = fma(d, d, square);
            most = select(max(most, x), x, tile == first);
            least = select(min(least, x), x, tile == first);
        }
        let out = 4u * group.y * p.width + j;
        partial[out] = sum;
        partial[out + p.width] = square;
        partial[out + 2u * p.width] = most;
        partial[out + 3u * p.width] = least;
    }
}

@group(0) @binding(1) var<storage, read> blocks: array<f32>;
@group(0) @binding(2) var<storage, read_write> folded: array<f32>;

// The same sums over POOL_BLOCK blocks, of which there are `tiles`.
@compute @workgroup_size(GROUP)
fn pool_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = group.x * GROUP + thread;
    let first = group.y * POOL_BLOCK;
    let end = min(first + POOL_BLOCK, p.tiles);
    if (j < p.width) {
        var sum = 0.0f;
        var square = 0.0f;
        var most = 0.0f;
        var least = 0.0f;
        for (var row = first; row < end; row++) {
            let at = 4u * row * p.width + j;
            sum += blocks[at];
            square += blocks[at + p.width];
            let high = blocks[at + 2u * p.width];
            let low = blocks[at + 3u * p.width];
            most = select(max(most, high), high, row == first);
            least = select(min(least, low), low, row == first);
        }
        let out = 4u * group.y * p.width + j;
        folded[out] = sum;
        folded[out + p.width] = square;
        folded[out + 2u * p.width] = most;
        folded[out + 3u * p.width] = least;
    }
}
