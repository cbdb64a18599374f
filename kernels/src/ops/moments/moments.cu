#define TILE 16u

struct Params {
    unsigned n, width;
};

// Sums of w (z - centre) and w (z - centre)^2 over each block of rows: 16 lanes of rows, then a tree over
// the lanes. partial: [blocks, 2, H].
extern "C" __global__ void moments(const float* z, const float* weight, const float* centre, float* partial,
                                   Params p) {
    __shared__ float sums[GROUP], squares[GROUP];
    unsigned t = threadIdx.x, tx = t % TILE, ty = t / TILE, j = blockIdx.x * TILE + tx;
    unsigned first = blockIdx.y * LINEAR_BLOCK_ROWS;
    unsigned end = first + LINEAR_BLOCK_ROWS < p.n ? first + LINEAR_BLOCK_ROWS : p.n;
    float sum = 0.0f, square = 0.0f;
    for (unsigned i = first + ty; j < p.width && i < end; i += TILE) {
        float d = z[i * p.width + j] - centre[j], weighted = weight[i] * d;
        sum += weighted;
        square = fmaf(weighted, d, square);
    }
    sums[t] = sum;
    squares[t] = square;
    __syncthreads();
    for (unsigned lanes = TILE / 2; lanes > 0; lanes >>= 1) {
        if (ty < lanes) {
            sums[t] += sums[t + lanes * TILE];
            squares[t] += squares[t + lanes * TILE];
        }
        __syncthreads();
    }
    if (ty == 0 && j < p.width) {
        float* out = partial + 2 * blockIdx.y * p.width + j;
        out[0] = sums[t];
        out[p.width] = squares[t];
    }
}
