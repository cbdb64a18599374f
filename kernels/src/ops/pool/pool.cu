struct Params {
    unsigned tiles, width, stored;
};

// Sums over blocks of POOL_BLOCK tiles, tile after tile. partial: [blocks, 4, D].
extern "C" __global__ void pool_blocks(const unsigned* rows, const float* shift, float* partial, Params p) {
    unsigned j = blockIdx.x * GROUP + threadIdx.x, block = blockIdx.y;
    unsigned first = block * POOL_BLOCK, end = first + POOL_BLOCK < p.tiles ? first + POOL_BLOCK : p.tiles;
    if (j < p.width) {
        float sum = 0.0f, square = 0.0f, most = 0.0f, least = 0.0f;
        for (unsigned tile = first; tile < end; ++tile) {
            unsigned at = tile * p.width + j;
            float x = stored_value(rows[p.stored == STORED_F32 ? at : at / 2], at % 2, p.stored);
            float d = x - shift[j];
            sum += d;
            square = fmaf(d, d, square);
            most = tile == first ? x : fmaxf(most, x);
            least = tile == first ? x : fminf(least, x);
        }
        float* out = partial + 4 * block * p.width + j;
        out[0] = sum;
        out[p.width] = square;
        out[2 * p.width] = most;
        out[3 * p.width] = least;
    }
}

// The same sums over POOL_BLOCK blocks, of which there are `tiles`.
extern "C" __global__ void pool_fold(const float* partial, float* folded, Params p) {
    unsigned j = blockIdx.x * GROUP + threadIdx.x, block = blockIdx.y;
    unsigned first = block * POOL_BLOCK, end = first + POOL_BLOCK < p.tiles ? first + POOL_BLOCK : p.tiles;
    if (j < p.width) {
        float sum = 0.0f, square = 0.0f, most = 0.0f, least = 0.0f;
        for (unsigned row = first; row < end; ++row) {
            const float* in = partial + 4 * row * p.width + j;
            sum += in[0];
            square += in[p.width];
            most = row == first ? in[2 * p.width] : fmaxf(most, in[2 * p.width]);
            least = row == first ? in[3 * p.width] : fminf(least, in[3 * p.width]);
        }
        float* out = folded + 4 * block * p.width + j;
        out[0] = sum;
        out[p.width] = square;
        out[2 * p.width] = most;
        out[3 * p.width] = least;
    }
}
