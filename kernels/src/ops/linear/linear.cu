// Tiles of 16 x 16 results by groups of 256 threads; problems of a batch in the grid's third dimension.
#define TILE 16u
#define STRIDE 17u

struct Params {
    unsigned problems, n, inputs, outputs;
    unsigned x_stride;  // words from one problem's x to the next: 0 where they share it
    unsigned w_at, stride;  // first word of w, then b, in a problem's parameters, and words of these
    unsigned kind, threshold, layer;
    float scale, keep;
    unsigned blocks;  // blocks of LINEAR_BLOCK_ROWS rows
    unsigned adds;  // whether dw goes on with what is there
};

__device__ inline bool unit_kept(const unsigned* patient, const unsigned* step, unsigned k, unsigned row,
                                 unsigned unit, Params p) {
    const unsigned* s = step + STEP_WORDS * k;
    return p.threshold == 0 || keeps(patient[2 * row], patient[2 * row + 1], unit, p.layer, s[STEP_NUMBER],
                                     s[STEP_KEY], s[STEP_KEY + 1], p.threshold);
}

// y = dropout(activation(x w^T + b)). params: [B, stride], patient: [N, 2], step: [B, STEP_WORDS].
extern "C" __global__ void linear_forward(const float* x, const float* params, const unsigned* patient,
                                          const unsigned* step, float* y, Params p) {
    __shared__ float xs[TILE * STRIDE], ws[TILE * STRIDE];
    const float* w = params + (size_t)blockIdx.z * p.stride + p.w_at;
    const float* b = w + p.inputs * p.outputs;
    unsigned k = blockIdx.z, tx = threadIdx.x % TILE, ty = threadIdx.x / TILE;
    unsigned row = blockIdx.x * TILE + ty, unit = blockIdx.y * TILE + tx, loaded = blockIdx.y * TILE + ty;
    float acc = 0.0f;
    for (unsigned i0 = 0; i0 < p.inputs; i0 += TILE) {
        unsigned i = i0 + tx;
        bool inside = i < p.inputs;
        xs[ty * STRIDE + tx] = inside && row < p.n ? x[k * p.x_stride + row * p.inputs + i] : 0.0f;
        ws[ty * STRIDE + tx] = inside && loaded < p.outputs ? w[loaded * p.inputs + i] : 0.0f;
        __syncthreads();
        for (unsigned j = 0; j < TILE; ++j) acc = fmaf(xs[ty * STRIDE + j], ws[tx * STRIDE + j], acc);
        __syncthreads();
    }
    if (row < p.n && unit < p.outputs) {
        float a = activation_value(p.kind, acc + b[unit]);
        y[(k * p.n + row) * p.outputs + unit] = unit_kept(patient, step, k, row, unit, p) ? a * p.scale : 0.0f;
    }
}

// dx = dz w, then through the dropout and the activation of the layer that made x, in terms of its
// output: kind, threshold, layer, scale and keep are that layer's.
extern "C" __global__ void linear_dx(const float* dz, const float* params, const float* made,
                                     const unsigned* patient, const unsigned* step, float* dx, Params p) {
    __shared__ float ds[TILE * STRIDE], ws[TILE * STRIDE];
    const float* w = params + (size_t)blockIdx.z * p.stride + p.w_at;
    unsigned k = blockIdx.z, tx = threadIdx.x % TILE, ty = threadIdx.x / TILE;
    unsigned row = blockIdx.x * TILE + ty, i = blockIdx.y * TILE + tx;
    float acc = 0.0f;
    for (unsigned o0 = 0; o0 < p.outputs; o0 += TILE) {
        unsigned o = o0 + tx, from = o0 + ty;
        ds[ty * STRIDE + tx] = row < p.n && o < p.outputs ? dz[(k * p.n + row) * p.outputs + o] : 0.0f;
        ws[ty * STRIDE + tx] = from < p.outputs && i < p.inputs ? w[from * p.inputs + i] : 0.0f;
        __syncthreads();
        for (unsigned j = 0; j < TILE; ++j) acc = fmaf(ds[ty * STRIDE + j], ws[j * STRIDE + tx], acc);
        __syncthreads();
    }
    if (row < p.n && i < p.inputs) {
        unsigned e = (k * p.n + row) * p.inputs + i;
        float slope = activation_slope(p.kind, made[e] * p.keep);
        dx[e] = unit_kept(patient, step, k, row, i, p) ? acc * p.scale * slope : 0.0f;
    }
}

// Sums of dz^T (x, 1) over each block of rows, in row order: partial [B, blocks, O, I + 1].
extern "C" __global__ void linear_partial(const float* x, const float* dz, float* partial, Params p) {
    __shared__ float xs[TILE * STRIDE], ds[TILE * STRIDE];
    unsigned k = blockIdx.z / p.blocks, block = blockIdx.z % p.blocks;
    unsigned tx = threadIdx.x % TILE, ty = threadIdx.x / TILE;
    unsigned i = blockIdx.x * TILE + tx, o = blockIdx.y * TILE + ty, column = blockIdx.y * TILE + tx;
    float acc = 0.0f;
    for (unsigned r0 = 0; r0 < LINEAR_BLOCK_ROWS; r0 += TILE) {
        unsigned row = block * LINEAR_BLOCK_ROWS + r0 + ty;
        float one = i == p.inputs ? 1.0f : 0.0f;
        xs[ty * STRIDE + tx] = row < p.n && i < p.inputs ? x[k * p.x_stride + row * p.inputs + i] : one;
        ds[ty * STRIDE + tx] =
            row < p.n && column < p.outputs ? dz[(k * p.n + row) * p.outputs + column] : 0.0f;
        __syncthreads();
        for (unsigned j = 0; j < TILE; ++j) acc = fmaf(ds[j * STRIDE + ty], xs[j * STRIDE + tx], acc);
        __syncthreads();
    }
    if (i <= p.inputs && o < p.outputs)
        partial[(blockIdx.z * p.outputs + o) * (p.inputs + 1) + i] = acc;
}

// dw, then db, in a problem's gradient: the blocks added in order.
extern "C" __global__ void linear_dw(const float* partial, float* gradient, Params p) {
    unsigned e = element(), columns = p.inputs + 1, weights = p.outputs * columns;
    if (e < p.problems * weights) {
        unsigned k = e / weights, within = e % weights, unit = within / columns, i = within % columns;
        float* target = gradient + (size_t)k * p.stride + p.w_at +
                        (i < p.inputs ? unit * p.inputs + i : p.inputs * p.outputs + unit);
        float sum = p.adds ? *target : 0.0f;
        for (unsigned block = 0; block < p.blocks; ++block)
            sum += partial[(k * p.blocks + block) * weights + within];
        *target = sum;
    }
}
