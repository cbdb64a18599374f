// Products are formed by squares of 64 x 64 columns, of which the upper triangle is kept: square (I, J) is
// number J (J + 1) / 2 + I of gram, [squares, 2, 64, 64]: sums, and what rounding took from them.
const SIDE: u32 = 64u;
const STEP: u32 = 16u;

struct Params {
    tiles: u32,
    width: u32,
    padded: u32,
    stored: u32,
    // 0, which the compiler does not know.
    nothing: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> packed: array<f32>;

// packed: [T, padded], the values less the shift, 0 beyond the width.
@compute @workgroup_size(GROUP)
fn gram_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let e = element(group, groups, thread);
    let t = e / p.padded;
    let j = e % p.padded;
    if (t < p.tiles) {
        var x = 0.0f;
        if (j < p.width) {
            let at = t * p.width + j;
            x = stored_value(rows[select(at / 2u, at, p.stored == STORED_F32)], at % 2u, p.stored) - shift[j];
        }
        packed[e] = x;
    }
}

@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> gram: array<f32>;

var<workgroup> left: array<f32, STEP * SIDE>;
var<workgroup> right: array<f32, STEP * SIDE>;

// A number that the compiler cannot look through: without it, it may simplify (a + b) - a to b.
fn opaque(x: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4<u32>(p.nothing));
}

// Adds the products of packed tiles: f32 over runs of GRAM_RUN tiles, tile after tile, and compensated across runs.
@compute @workgroup_size(GROUP)
fn gram_add(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if (group.x > group.y) {
        return;
    }
    let tx = t % 16u;
    let ty = t / 16u;
    let square = 2u * SIDE * SIDE * (group.y * (group.y + 1u) / 2u + group.x);
    var sum = array<vec4<f32>, 4>();
    var lost = array<vec4<f32>, 4>();
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            let at = square + (ty + 16u * i) * SIDE + tx + 16u * j;
            sum[i][j] = gram[at];
            lost[i][j] = gram[at + SIDE * SIDE];
        }
    }
    for (var first = 0u; first < p.tiles; first += GRAM_RUN) {
        var acc = array<vec4<f32>, 4>();
        for (var step = first; step < min(first + GRAM_RUN, p.tiles); step += STEP) {
            for (var r = 0u; r < STEP; r += 4u) {
                let row = t / SIDE + r;
                let column = t % SIDE;
                var a = 0.0f;
                var b = 0.0f;
                if (step + row < p.tiles) {
                    a = values[(step + row) * p.padded + group.x * SIDE + column];
                    b = values[(step + row) * p.padded + group.y * SIDE + column];
                }
                left[row * SIDE + column] = a;
                right[row * SIDE + column] = b;
            }
            workgroupBarrier();
            for (var k = 0u; k < STEP; k++) {
                let b = vec4<f32>(right[k * SIDE + tx], right[k * SIDE + tx + 16u], right[k * SIDE + tx + 32u],
                                  right[k * SIDE + tx + 48u]);
                for (var i = 0u; i < 4u; i++) {
                    acc[i] = fma(vec4<f32>(left[k * SIDE + ty + 16u * i]), b, acc[i]);
                }
            }
            workgroupBarrier();
        }
        // Knuth's two-sum.
        for (var i = 0u; i < 4u; i++) {
            let total = opaque(sum[i] + acc[i]);
            let there = opaque(total - sum[i]);
            lost[i] += (sum[i] - opaque(total - there)) + (acc[i] - there);
            sum[i] = total;
        }
    }
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            let at = square + (ty + 16u * i) * SIDE + tx + 16u * j;
            gram[at] = sum[i][j];
            gram[at + SIDE * SIDE] = lost[i][j];
        }
    }
}
