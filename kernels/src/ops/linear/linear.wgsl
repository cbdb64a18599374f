// Tiles of 16 x 16 results by groups of 256 threads; problems of a batch in the grid's third dimension.
const TILE: u32 = 16u;
const STRIDE: u32 = 17u;

struct Params {
    problems: u32,
    n: u32,
    inputs: u32,
    outputs: u32,
    x_stride: u32,  // words from one problem's x to the next: 0 where they share it
    kind: u32,
    threshold: u32,
    layer: u32,
    step: u32,
    scale: f32,
    keep: f32,
    blocks: u32,  // blocks of LINEAR_BLOCK_ROWS rows
}

@group(0) @binding(0) var<uniform> p: Params;

var<workgroup> left: array<f32, 272>;
var<workgroup> right: array<f32, 272>;

// patient: [N, 2], keys: [B, 2].
@group(0) @binding(1) var<storage, read> forward_x: array<f32>;
@group(0) @binding(2) var<storage, read> forward_w: array<f32>;
@group(0) @binding(3) var<storage, read> forward_b: array<f32>;
@group(0) @binding(4) var<storage, read> forward_patient: array<u32>;
@group(0) @binding(5) var<storage, read> forward_keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> forward_y: array<f32>;

// y = dropout(activation(x w^T + b)).
@compute @workgroup_size(GROUP)
fn linear_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let k = group.z;
    let tx = thread % TILE;
    let ty = thread / TILE;
    let row = group.x * TILE + ty;
    let unit = group.y * TILE + tx;
    let loaded = group.y * TILE + ty;
    var acc = 0.0f;
    for (var i0 = 0u; i0 < p.inputs; i0 += TILE) {
        let i = i0 + tx;
        var xi = 0.0f;
        if (i < p.inputs && row < p.n) {
            xi = forward_x[k * p.x_stride + row * p.inputs + i];
        }
        var wi = 0.0f;
        if (i < p.inputs && loaded < p.outputs) {
            wi = forward_w[(k * p.outputs + loaded) * p.inputs + i];
        }
        left[ty * STRIDE + tx] = xi;
        right[ty * STRIDE + tx] = wi;
        workgroupBarrier();
        for (var j = 0u; j < TILE; j++) {
            acc = fma(left[ty * STRIDE + j], right[tx * STRIDE + j], acc);
        }
        workgroupBarrier();
    }
    if (row < p.n && unit < p.outputs) {
        let a = activation_value(p.kind, acc + forward_b[k * p.outputs + unit]);
        let key = vec2<u32>(forward_keys[2u * k], forward_keys[2u * k + 1u]);
        let kept = p.threshold == 0u || keeps(forward_patient[2u * row], forward_patient[2u * row + 1u], unit,
                                              p.layer, p.step, key, p.threshold);
        forward_y[(k * p.n + row) * p.outputs + unit] = select(0.0f, a * p.scale, kept);
    }
}

@group(0) @binding(1) var<storage, read> dz_dy: array<f32>;
@group(0) @binding(2) var<storage, read> dz_y: array<f32>;
@group(0) @binding(3) var<storage, read> dz_patient: array<u32>;
@group(0) @binding(4) var<storage, read> dz_keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> dz_dz: array<f32>;

// dz = dy through dropout and activation, in terms of y.
@compute @workgroup_size(GROUP)
fn linear_dz(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let e = element(group, groups, thread);
    if (e < p.problems * p.n * p.outputs) {
        let unit = e % p.outputs;
        let row = e / p.outputs % p.n;
        let k = e / p.outputs / p.n;
        let key = vec2<u32>(dz_keys[2u * k], dz_keys[2u * k + 1u]);
        let kept = p.threshold == 0u || keeps(dz_patient[2u * row], dz_patient[2u * row + 1u], unit, p.layer,
                                              p.step, key, p.threshold);
        let slope = activation_slope(p.kind, dz_y[e] * p.keep);
        dz_dz[e] = select(0.0f, dz_dy[e] * p.scale * slope, kept);
    }
}

@group(0) @binding(1) var<storage, read> dx_dz: array<f32>;
@group(0) @binding(2) var<storage, read> dx_w: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx_dx: array<f32>;

// dx = dz w.
@compute @workgroup_size(GROUP)
fn linear_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let k = group.z;
    let tx = thread % TILE;
    let ty = thread / TILE;
    let row = group.x * TILE + ty;
    let i = group.y * TILE + tx;
    var acc = 0.0f;
    for (var o0 = 0u; o0 < p.outputs; o0 += TILE) {
        let o = o0 + tx;
        let from_unit = o0 + ty;
        var d = 0.0f;
        if (row < p.n && o < p.outputs) {
            d = dx_dz[(k * p.n + row) * p.outputs + o];
        }
        var wi = 0.0f;
        if (from_unit < p.outputs && i < p.inputs) {
            wi = dx_w[(k * p.outputs + from_unit) * p.inputs + i];
        }
        left[ty * STRIDE + tx] = d;
        right[ty * STRIDE + tx] = wi;
        workgroupBarrier();
        for (var j = 0u; j < TILE; j++) {
            acc = fma(left[ty * STRIDE + j], right[j * STRIDE + tx], acc);
        }
        workgroupBarrier();
    }
    if (row < p.n && i < p.inputs) {
        dx_dx[(k * p.n + row) * p.inputs + i] = acc;
    }
}

@group(0) @binding(1) var<storage, read> partial_x: array<f32>;
@group(0) @binding(2) var<storage, read> partial_dz: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial_sum: array<f32>;

// Sums of dz^T (x, 1) over each block of rows, in row order: [B, blocks, O, I + 1].
@compute @workgroup_size(GROUP)
fn linear_partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let k = group.z / p.blocks;
    let block = group.z % p.blocks;
    let tx = thread % TILE;
    let ty = thread / TILE;
    let i = group.x * TILE + tx;
    let o = group.y * TILE + ty;
    let column = group.y * TILE + tx;
    var acc = 0.0f;
    for (var r0 = 0u; r0 < LINEAR_BLOCK_ROWS; r0 += TILE) {
        let row = block * LINEAR_BLOCK_ROWS + r0 + ty;
        var xi = select(0.0f, 1.0f, i == p.inputs);
        if (row < p.n && i < p.inputs) {
            xi = partial_x[k * p.x_stride + row * p.inputs + i];
        }
        var d = 0.0f;
        if (row < p.n && column < p.outputs) {
            d = partial_dz[(k * p.n + row) * p.outputs + column];
        }
        left[ty * STRIDE + tx] = xi;
        right[ty * STRIDE + tx] = d;
        workgroupBarrier();
        for (var j = 0u; j < TILE; j++) {
            acc = fma(right[j * STRIDE + ty], left[j * STRIDE + tx], acc);
        }
        workgroupBarrier();
    }
    if (i <= p.inputs && o < p.outputs) {
        partial_sum[(group.z * p.outputs + o) * (p.inputs + 1u) + i] = acc;
    }
}

@group(0) @binding(1) var<storage, read> dw_partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw_dw: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw_db: array<f32>;

// dw and db: the blocks added in order.
@compute @workgroup_size(GROUP)
fn linear_dw(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let e = element(group, groups, thread);
    let columns = p.inputs + 1u;
    let weights = p.outputs * columns;
    if (e < p.problems * weights) {
        let k = e / weights;
        let within = e % weights;
        var sum = 0.0f;
        for (var block = 0u; block < p.blocks; block++) {
            sum += dw_partial[(k * p.blocks + block) * weights + within];
        }
        let unit = k * p.outputs + within / columns;
        let i = within % columns;
        if (i < p.inputs) {
            dw_dw[unit * p.inputs + i] = sum;
        } else {
            dw_db[unit] = sum;
        }
    }
}
