// Shared by all ops. The same functions as prelude.wgsl and kernels::simd::math.

// Index of this thread in a folded line of groups.
__device__ inline unsigned element() {
    return (blockIdx.y * gridDim.x + blockIdx.x) * GROUP + threadIdx.x;
}

// x = n ln 2 + r; returns r + r^2 P(r), so that exp(x) = 2^n (1 + result).
__device__ inline float exp_parts(float x, float* n) {
    *n = rintf(x * 1.44269504f);
    float r = fmaf(*n, -0.693359375f, x);
    r = fmaf(*n, 2.12194440e-4f, r);
    float p = 1.9875691e-4f;
    p = fmaf(p, r, 1.3981999e-3f);
    p = fmaf(p, r, 8.333452e-3f);
    p = fmaf(p, r, 4.1665796e-2f);
    p = fmaf(p, r, 1.6666665e-1f);
    p = fmaf(p, r, 0.5f);
    return fmaf(r * r, p, r);
}

__device__ inline float pow2(float n) { return __int_as_float(((int)n + 127) << 23); }

// exp(x) for x <= 0; 0 below -87.
__device__ inline float exp_nonpositive(float x) {
    float n;
    float y = exp_parts(fmaxf(x, -87.0f), &n);
    float scale = pow2(n);
    return x < -87.0f ? 0.0f : fmaf(y, scale, scale);
}

// exp(x) - 1 for x <= 0, without cancellation.
__device__ inline float expm1_nonpositive(float x) {
    float n;
    float y = exp_parts(fmaxf(x, -87.0f), &n);
    float scale = pow2(n);
    return fmaf(y, scale, scale - 1.0f);
}

__device__ inline float tanh_of(float x) {
    float magnitude = fabsf(x);
    if (magnitude > 0.625f) {
        float q = exp_nonpositive(-2.0f * magnitude);
        float y = (1.0f - q) / (1.0f + q);
        return x < 0.0f ? -y : y;
    }
    float z = x * x;
    float p = -5.7049887e-3f;
    p = fmaf(p, z, 2.063909e-2f);
    p = fmaf(p, z, -5.3739716e-2f);
    p = fmaf(p, z, 1.3331442e-1f);
    p = fmaf(p, z, -3.333328e-1f);
    return fmaf(p * z, x, x);
}

__device__ inline float activation_value(unsigned kind, float z) {
    switch (kind) {
    case RELU: return z < 0.0f ? 0.0f : z;
    case TANH: return tanh_of(z);
    case SELU: return z > 0.0f ? SELU_SCALE * z : SELU_SCALE_ALPHA * expm1_nonpositive(fminf(z, 0.0f));
    case ELU: return z > 0.0f ? z : expm1_nonpositive(fminf(z, 0.0f));
    default: return z;
    }
}

// f'(z) in terms of a = f(z).
__device__ inline float activation_slope(unsigned kind, float a) {
    switch (kind) {
    case RELU: return a > 0.0f ? 1.0f : 0.0f;
    case TANH: return 1.0f - a * a;
    case SELU: return a > 0.0f ? SELU_SCALE : a + SELU_SCALE_ALPHA;
    case ELU: return a > 0.0f ? 1.0f : a + 1.0f;
    default: return 1.0f;
    }
}

// Whether dropout keeps a unit: 16 bits of Philox 4x32-10 at (patient, layer and unit, step).
__device__ inline bool keeps(unsigned low, unsigned high, unsigned unit, unsigned layer, unsigned step,
                             unsigned key0, unsigned key1, unsigned threshold) {
    unsigned c0 = low, c1 = high, c2 = layer << 16 | unit / UNITS_PER_BLOCK, c3 = step;
    for (unsigned round = 0; round < PHILOX_ROUNDS; ++round) {
        unsigned high0 = __umulhi(PHILOX_M0, c0), low0 = PHILOX_M0 * c0;
        unsigned high1 = __umulhi(PHILOX_M1, c2), low1 = PHILOX_M1 * c2;
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += PHILOX_W0;
        key1 += PHILOX_W1;
    }
    unsigned within = unit % UNITS_PER_BLOCK;
    unsigned word = within < 4 ? (within < 2 ? c0 : c1) : (within < 6 ? c2 : c3);
    return (word >> (16 * (within % 2)) & 0xffffu) >= threshold;
}


// A grey level's index and one, 0 outside; two cells to a word.
__device__ inline unsigned cell_level(unsigned word, unsigned cell) { return word >> (16 * (cell % 2)) & 0xffffu; }

// Whether a cell is inside, 1 or 0; four cells to a word.
__device__ inline unsigned cell_inside(unsigned word, unsigned cell) { return word >> (8 * (cell % 4)) & 1u; }

// A number as files hold it, in half `half` of a word: f16, bf16, or a whole word of f32.
__device__ inline float stored_value(unsigned word, unsigned half, unsigned stored) {
    if (stored == STORED_F32) return __uint_as_float(word);
    unsigned bits = word >> (16 * half) & 0xffffu;
    if (stored == STORED_BF16) return __uint_as_float(bits << 16);
    unsigned sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, mantissa = bits & 0x3ffu;
    if (exponent == 0) {
        float x = (float)mantissa * 5.9604644775390625e-8f;
        return sign ? -x : x;
    }
    return __uint_as_float(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13);
}
