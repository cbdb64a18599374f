// Products are formed by squares of 64 x 64 columns, of which the upper triangle is kept: square (I, J) is
// number J (J + 1) / 2 + I of gram, [squares, 2, 64, 64]: sums, and what rounding took from them.
#define SIDE 64u
#define STEP 16u
#define PLACE 72u

struct Params {
    unsigned tiles, width, padded, stored, nothing;
};

// sum + lost takes x up: Knuth's two-sum.
__device__ inline void compensated(float* sum, float* lost, float x) {
    float total = *sum + x, there = total - *sum;
    *lost += (*sum - (total - there)) + (x - there);
    *sum = total;
}

// packed: [T, padded], the values less the shift, 0 beyond the width.
extern "C" __global__ void gram_pack(const unsigned* rows, const float* shift, float* packed, Params p) {
    unsigned e = element(), t = e / p.padded, j = e % p.padded;
    if (t < p.tiles) {
        float x = 0.0f;
        if (j < p.width) {
            unsigned at = t * p.width + j;
            x = stored_value(rows[p.stored == STORED_F32 ? at : at / 2], at % 2, p.stored) - shift[j];
        }
        packed[e] = x;
    }
}

// Adds the products of packed tiles: f32 over runs of GRAM_RUN tiles, tile after tile, and compensated across runs.
extern "C" __global__ void gram_add(const float* packed, float* gram, Params p) {
    __shared__ float left[STEP * SIDE], right[STEP * SIDE];
    if (blockIdx.x > blockIdx.y) return;
    unsigned t = threadIdx.x, tx = t % 16, ty = t / 16;
    float* square = gram + 2 * SIDE * SIDE * (blockIdx.y * (blockIdx.y + 1) / 2 + blockIdx.x);
    float sum[16], lost[16];
#pragma unroll
    for (unsigned r = 0; r < 16; ++r) {
        unsigned at = (ty + 16 * (r / 4)) * SIDE + tx + 16 * (r % 4);
        sum[r] = square[at];
        lost[r] = square[SIDE * SIDE + at];
    }
    for (unsigned first = 0; first < p.tiles; first += GRAM_RUN) {
        float acc[16] = {};
        for (unsigned step = first; step < first + GRAM_RUN && step < p.tiles; step += STEP) {
#pragma unroll
            for (unsigned r = 0; r < STEP; r += 4) {
                unsigned row = t / SIDE + r, column = t % SIDE;
                const float* tile = packed + (size_t)(step + row) * p.padded;
                bool inside = step + row < p.tiles;
                left[row * SIDE + column] = inside ? tile[blockIdx.x * SIDE + column] : 0.0f;
                right[row * SIDE + column] = inside ? tile[blockIdx.y * SIDE + column] : 0.0f;
            }
            __syncthreads();
#pragma unroll 4
            for (unsigned k = 0; k < STEP; ++k) {
                float a[4], b[4];
#pragma unroll
                for (unsigned r = 0; r < 4; ++r) {
                    a[r] = left[k * SIDE + ty + 16 * r];
                    b[r] = right[k * SIDE + tx + 16 * r];
                }
#pragma unroll
                for (unsigned r = 0; r < 16; ++r) acc[r] = fmaf(a[r / 4], b[r % 4], acc[r]);
            }
            __syncthreads();
        }
#pragma unroll
        for (unsigned r = 0; r < 16; ++r) compensated(sum + r, lost + r, acc[r]);
    }
#pragma unroll
    for (unsigned r = 0; r < 16; ++r) {
        unsigned at = (ty + 16 * (r / 4)) * SIDE + tx + 16 * (r % 4);
        square[at] = sum[r];
        square[SIDE * SIDE + at] = lost[r];
    }
}

// Tensor cores from sm_80 on; the shim has both functions too. Their warp of 32 is the instruction's.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
// d += a b: 16 x 16 by 16 x 8, f16 to f32; fragments as the PTX manual lays them out.
__device__ inline void multiply_halves(float* d, const unsigned* a, const unsigned* b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
// The values less the shift, each as two halves: x = high + low / 2048, to 22 bits. packed: [2, T / 2, padded], two
// tiles to a word.
extern "C" __global__ void gram_pack_halves(const unsigned* rows, const float* shift, unsigned* packed, Params p) {
    unsigned e = element(), pairs = (p.tiles + 1) / 2, t = 2 * (e / p.padded), j = e % p.padded;
    if (t < p.tiles) {
        unsigned high = 0, low = 0;
        for (unsigned r = 0; r < 2 && j < p.width && t + r < p.tiles; ++r) {
            unsigned at = (t + r) * p.width + j;
            float x = stored_value(rows[at / 2], at % 2, STORED_F16) - shift[j];
            unsigned first = half_bits(x);
            high |= first << (16 * r);
            low |= half_bits(2048.0f * (x - stored_value(first, 0, STORED_F16))) << (16 * r);
        }
        packed[e] = high;
        packed[pairs * p.padded + e] = low;
    }
}

// As gram_add, of halves: the product of the high parts, and the two of a high and a low one.
extern "C" __global__ void gram_add_halves(const unsigned* packed, float* gram, Params p) {
    // Words of two tiles; rows of PLACE words, so that no two lanes meet in a bank.
    __shared__ unsigned left[2 * STEP * PLACE], right[2 * STEP * PLACE];
    if (blockIdx.x > blockIdx.y) return;
    unsigned t = threadIdx.x, lane = t % 32, warp = t / 32, pairs = (p.tiles + 1) / 2;
    // Each warp has 16 rows and 32 columns of the square.
    unsigned row = 16 * (warp % 4) + lane / 4, column = 32 * (warp / 4), k = lane % 4;
    float* square = gram + 2 * SIDE * SIDE * (blockIdx.y * (blockIdx.y + 1) / 2 + blockIdx.x);
    float sum[16], lost[16];
#pragma unroll
    for (unsigned r = 0; r < 16; ++r) {
        unsigned at = (row + 8 * (r / 2 % 2)) * SIDE + column + 8 * (r / 4) + 2 * k + r % 2;
        sum[r] = square[at];
        lost[r] = square[SIDE * SIDE + at];
    }
    for (unsigned first = 0; first < pairs; first += GRAM_RUN / 2) {
        float high[16] = {}, cross[16] = {};
        for (unsigned step = first; step < first + GRAM_RUN / 2 && step < pairs; step += STEP) {
#pragma unroll
            for (unsigned r = 0; r < STEP; r += 4) {
                unsigned pair = t / SIDE + r, at = t % SIDE, to = pair * PLACE + at;
                const unsigned* word = packed + (size_t)(step + pair) * p.padded + at;
                const unsigned* rest = word + (size_t)pairs * p.padded;
                bool inside = step + pair < pairs;
                left[to] = inside ? word[blockIdx.x * SIDE] : 0;
                left[STEP * PLACE + to] = inside ? rest[blockIdx.x * SIDE] : 0;
                right[to] = inside ? word[blockIdx.y * SIDE] : 0;
                right[STEP * PLACE + to] = inside ? rest[blockIdx.y * SIDE] : 0;
            }
            __syncthreads();
#pragma unroll
            for (unsigned half = 0; half < STEP; half += 8) {
                const unsigned* l = left + (half + k) * PLACE + row;
                unsigned a[4] = {l[0], l[8], l[4 * PLACE], l[4 * PLACE + 8]};
                l += STEP * PLACE;
                unsigned a_low[4] = {l[0], l[8], l[4 * PLACE], l[4 * PLACE + 8]};
#pragma unroll
                for (unsigned n = 0; n < 4; ++n) {
                    const unsigned* r = right + (half + k) * PLACE + column + 8 * n + lane / 4;
                    unsigned b[2] = {r[0], r[4 * PLACE]};
                    r += STEP * PLACE;
                    unsigned b_low[2] = {r[0], r[4 * PLACE]};
                    multiply_halves(high + 4 * n, a, b);
                    multiply_halves(cross + 4 * n, a, b_low);
                    multiply_halves(cross + 4 * n, a_low, b);
                }
            }
            __syncthreads();
        }
#pragma unroll
        for (unsigned r = 0; r < 16; ++r) compensated(sum + r, lost + r, fmaf(cross[r], 1.0f / 2048.0f, high[r]));
    }
#pragma unroll
    for (unsigned r = 0; r < 16; ++r) {
        unsigned at = (row + 8 * (r / 2 % 2)) * SIDE + column + 8 * (r / 4) + 2 * k + r % 2;
        square[at] = sum[r];
        square[SIDE * SIDE + at] = lost[r];
    }
}
#endif
