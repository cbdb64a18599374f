// One group of threads per problem and unit for the sums, one thread per element for the rest. Rows may
// come in pieces: sums go on with what is there, and the last piece finishes the moments.
struct Params {
    unsigned problems, n, width;
    unsigned weighted;
    unsigned scale_at, mean_at, stride;  // scale, shift and mean, variance in a problem's parameters
    unsigned first, last;
    unsigned kind, threshold, layer;
    float scale;
};

// Sum over the threads by a fixed tree; every thread gets it.
__device__ inline float total(float* shared, unsigned t, float own) {
    shared[t] = own;
    __syncthreads();
    for (unsigned d = GROUP / 2; d > 0; d >>= 1) {
        if (t < d) shared[t] += shared[t + d];
        __syncthreads();
    }
    float sum = shared[0];
    __syncthreads();
    return sum;
}

__device__ inline unsigned unit_of_group() { return blockIdx.y * gridDim.x + blockIdx.x; }

__device__ inline float positive(float weight) { return weight > 0.0f ? weight : 1.0f; }

// moments: [B, H, 6] sum of w z and of w, then sums of w d and w d^2 with d = z - mean as rounded,
// mean, 1 / sqrt(var + eps).
extern "C" __global__ void batch_norm_sums(const float* z, const float* weight, float* moments, Params p) {
    __shared__ float shared[GROUP];
    unsigned u = unit_of_group(), t = threadIdx.x, k = u / p.width, j = u % p.width;
    if (u >= p.problems * p.width) return;
    float sum = 0.0f, weights = 0.0f;
    for (unsigned i = t; i < p.n; i += GROUP) {
        float w = p.weighted ? weight[k * p.n + i] : 1.0f;
        sum += w * z[(k * p.n + i) * p.width + j];
        weights += w;
    }
    sum = total(shared, t, sum);
    weights = total(shared, t, weights);
    if (t == 0) {
        moments[6 * u] = (p.first ? 0.0f : moments[6 * u]) + sum;
        moments[6 * u + 1] = (p.first ? 0.0f : moments[6 * u + 1]) + weights;
    }
}

// The mean was rounded: what is left of it is taken off the second moment. The running moments in the
// parameters move by BATCH_NORM_MOMENTUM where the problem takes a step.
extern "C" __global__ void batch_norm_squares(const float* z, const float* weight, const unsigned* step,
                                              float* moments, float* params, Params p) {
    __shared__ float shared[GROUP];
    unsigned u = unit_of_group(), t = threadIdx.x, k = u / p.width, j = u % p.width;
    if (u >= p.problems * p.width) return;
    float all = positive(moments[6 * u + 1]), mean = moments[6 * u] / all;
    float first = 0.0f, second = 0.0f;
    for (unsigned i = t; i < p.n; i += GROUP) {
        float w = p.weighted ? weight[k * p.n + i] : 1.0f, d = z[(k * p.n + i) * p.width + j] - mean;
        first += w * d;
        second += w * d * d;
    }
    first = total(shared, t, first);
    second = total(shared, t, second);
    if (t == 0) {
        first += p.first ? 0.0f : moments[6 * u + 2];
        second += p.first ? 0.0f : moments[6 * u + 3];
        moments[6 * u + 2] = first;
        moments[6 * u + 3] = second;
        if (p.last) {
            float rest = first / all, variance = fmaxf(second / all - rest * rest, 0.0f);
            moments[6 * u + 4] = mean + rest;
            moments[6 * u + 5] = 1.0f / sqrtf(variance + BATCH_NORM_EPSILON);
            if (step[STEP_WORDS * k + STEP_ACTIVE]) {
                float* running = params + (size_t)k * p.stride + p.mean_at + j;
                running[0] = fmaf(BATCH_NORM_MOMENTUM, mean + rest - running[0], running[0]);
                running[p.width] = fmaf(BATCH_NORM_MOMENTUM, variance - running[p.width], running[p.width]);
            }
        }
    }
}

// x is normalised; y = dropout(activation(scale x + shift)).
extern "C" __global__ void batch_norm_forward(const float* z, const float* moments, const float* params,
                                              const unsigned* patient, const unsigned* step, float* x, float* y,
                                              Params p) {
    unsigned e = element();
    if (e < p.problems * p.n * p.width) {
        unsigned j = e % p.width, row = e / p.width % p.n, k = e / p.width / p.n, u = k * p.width + j;
        const float* scale = params + (size_t)k * p.stride + p.scale_at + j;
        const unsigned* s = step + STEP_WORDS * k;
        x[e] = (z[e] - moments[6 * u + 4]) * moments[6 * u + 5];
        float a = activation_value(p.kind, fmaf(scale[0], x[e], scale[p.width]));
        bool kept = p.threshold == 0 || keeps(patient[2 * row], patient[2 * row + 1], j, p.layer, s[STEP_NUMBER],
                                              s[STEP_KEY], s[STEP_KEY + 1], p.threshold);
        y[e] = kept ? a * p.scale : 0.0f;
    }
}

// Gradients of scale and shift, at their places.
extern "C" __global__ void batch_norm_slopes(const float* dy, const float* x, float* gradient, Params p) {
    __shared__ float shared[GROUP];
    unsigned u = unit_of_group(), t = threadIdx.x, k = u / p.width, j = u % p.width;
    if (u >= p.problems * p.width) return;
    float product = 0.0f, sum = 0.0f;
    for (unsigned i = t; i < p.n; i += GROUP) {
        unsigned e = (k * p.n + i) * p.width + j;
        product += dy[e] * x[e];
        sum += dy[e];
    }
    product = total(shared, t, product);
    sum = total(shared, t, sum);
    if (t == 0) {
        float* target = gradient + (size_t)k * p.stride + p.scale_at + j;
        target[0] = (p.first ? 0.0f : target[0]) + product;
        target[p.width] = (p.first ? 0.0f : target[p.width]) + sum;
    }
}

extern "C" __global__ void batch_norm_dz(const float* dy, const float* x, const float* weight,
                                         const float* moments, const float* params, const float* gradient,
                                         float* dz, Params p) {
    unsigned e = element();
    if (e < p.problems * p.n * p.width) {
        unsigned j = e % p.width, row = e / p.width, k = row / p.n, u = k * p.width + j;
        size_t at = (size_t)k * p.stride + p.scale_at + j;
        float share = (p.weighted ? weight[row] : 1.0f) / positive(moments[6 * u + 1]);
        float pull = share * fmaf(x[e], gradient[at], gradient[at + p.width]);
        dz[e] = params[at] * moments[6 * u + 5] * (dy[e] - pull);
    }
}
