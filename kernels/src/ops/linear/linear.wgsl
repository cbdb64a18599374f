// Tiles of 16 x 16 results by groups of 256 threads; problems of a batch in the grid's third dimension.
const TILE: u32 = 16u;
const STRIDE: u32 = 17u;

struct Params {
    problems: u32,
    n: u32,
    inputs: u32,
    outputs: u32,
    x_stride: u32,  // words from one problem's x to the next: 0 where they share it
    w_at: u32,  // first word of w, then b, in a problem's parameters
    stride: u32,  // words of a problem's parameters
    kind: u32,
    threshold: u32,
    layer: u32,
    scale: f32,
    keep: f32,
    blocks: u32,  // blocks of LINEAR_BLOCK_ROWS rows
    adds: u32,  // whether dw goes on with what is there
}

@group(0) @binding(0) var<uniform> p: Params;

var<workgroup> left: array<f32, 272>;
var<workgroup> right: array<f32, 272>;

// params: [B, stride], patient: [N, 2], step: [B, STEP_WORDS].
@group(0) @binding(1) var<storage, read> forward_x: array<f32>;
@group(0) @binding(2) var<storage, read> forward_params: array<f32>;
@group(0) @binding(3) var<storage, read> forward_patient: array<u32>;
@group(0) @binding(4) var<storage, read> forward_step: array<u32>;
@group(0) @binding(5) var<storage, read_write> forward_y: array<f32>;

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
    let w_at = k * p.stride + p.w_at;
    let b_at = w_at + p.inputs * p.outputs;
    var acc = 0.0f;
    for (var i0 = 0u; i0 < p.inputs; i0 += TILE) {
        let i = i0 + tx;
        var xi = 0.0f;
        if (i < p.inputs && row < p.n) {
            xi = forward_x[k * p.x_stride + row * p.inputs + i];
        }
        var wi = 0.0f;
        if (i < p.inputs && loaded < p.outputs) {
            wi = forward_params[w_at + loaded * p.inputs + i];
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
        let a = activation_value(p.kind, acc + forward_params[b_at + unit]);
        let s = STEP_WORDS * k;
        let key = vec2<u32>(forward_step[s + STEP_KEY], forward_step[s + STEP_KEY + 1u]);
        let kept = p.threshold == 0u || keeps(forward_patient[2u * row], forward_patient[2u * row + 1u], unit,
                                              p.layer, forward_step[s + STEP_NUMBER], key, p.threshold);
        forward_y[(k * p.n + row) * p.outputs + unit] = select(0.0f, a * p.scale, kept);
    }
}

@group(0) @binding(1) var<storage, read> dx_dz: array<f32>;
@group(0) @binding(2) var<storage, read> dx_params: array<f32>;
@group(0) @binding(3) var<storage, read> dx_made: array<f32>;
@group(0) @binding(4) var<storage, read> dx_patient: array<u32>;
@group(0) @binding(5) var<storage, read> dx_step: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx_dx: array<f32>;

// dx = dz w, then through the dropout and the activation of the layer that made x, in terms of its
// output: kind, threshold, layer, scale and keep are that layer's.
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
    let w_at = k * p.stride + p.w_at;
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
            wi = dx_params[w_at + from_unit * p.inputs + i];
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
        let e = (k * p.n + row) * p.inputs + i;
        let s = STEP_WORDS * k;
        let key = vec2<u32>(dx_step[s + STEP_KEY], dx_step[s + STEP_KEY + 1u]);
        let kept = p.threshold == 0u || keeps(dx_patient[2u * row], dx_patient[2u * row + 1u], i, p.layer,
                                              dx_step[s + STEP_NUMBER], key, p.threshold);
        let slope = activation_slope(p.kind, dx_made[e] * p.keep);
        dx_dx[e] = select(0.0f, acc * p.scale * slope, kept);
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
@group(0) @binding(2) var<storage, read_write> dw_gradient: array<f32>;

// dw, then db, in a problem's gradient: the blocks added in order.
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
        let unit = within / columns;
        let i = within % columns;
        let at = k * p.stride + p.w_at + select(p.inputs * p.outputs + unit, unit * p.inputs + i, i < p.inputs);
        var sum = 0.0f;
        if (p.adds != 0u) {
            sum = dw_gradient[at];
        }
        for (var block = 0u; block < p.blocks; block++) {
            sum += dw_partial[(k * p.blocks + block) * weights + within];
        }
        dw_gradient[at] = sum;
    }
}
