// One group of threads per unit for the sums, one thread per element for the rest.
struct Params {
    unsigned n, width;
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

// moments: [H, 3] mean, 1 / sqrt(var + eps), summed weight (1 where it is 0).
extern "C" __global__ void batch_norm_moments(const float* z, const float* weight, float* moments, Params p) {
    __shared__ float shared[GROUP];
    unsigned j = blockIdx.y * gridDim.x + blockIdx.x, t = threadIdx.x;
    if (j >= p.width) return;
    float sum = 0.0f, weights = 0.0f;
    for (unsigned i = t; i < p.n; i += GROUP) {
        sum += weight[i] * z[i * p.width + j];
        weights += weight[i];
    }
    weights = total(shared, t, weights);
    if (!(weights > 0.0f)) weights = 1.0f;
    float mean = total(shared, t, sum) / weights;
    // The mean was rounded: what is left of it is taken off the second moment.
    float first = 0.0f, second = 0.0f;
    for (unsigned i = t; i < p.n; i += GROUP) {
        float d = z[i * p.width + j] - mean;
        first += weight[i] * d;
        second += weight[i] * d * d;
    }
    first = total(shared, t, first) / weights;
    second = total(shared, t, second) / weights;
    if (t == 0) {
        moments[3 * j] = mean + first;
        moments[3 * j + 1] = 1.0f / sqrtf(fmaxf(second - first * first, 0.0f) + BATCH_NORM_EPSILON);
        moments[3 * j + 2] = weights;
    }
}

extern "C" __global__ void batch_norm_forward(const float* z, const float* moments, const float* scale,
                                              const float* shift, float* x, float* y, Params p) {
    unsigned e = element();
    if (e < p.n * p.width) {
        unsigned j = e % p.width;
        x[e] = (z[e] - moments[3 * j]) * moments[3 * j + 1];
        y[e] = fmaf(scale[j], x[e], shift[j]);
    }
}

extern "C" __global__ void batch_norm_sums(const float* dy, const float* x, float* dscale, float* dshift,
                                           Params p) {
    __shared__ float shared[GROUP];
    unsigned j = blockIdx.y * gridDim.x + blockIdx.x, t = threadIdx.x;
    if (j >= p.width) return;
    float product = 0.0f, sum = 0.0f;
    for (unsigned i = t; i < p.n; i += GROUP) {
        product += dy[i * p.width + j] * x[i * p.width + j];
        sum += dy[i * p.width + j];
    }
    product = total(shared, t, product);
    sum = total(shared, t, sum);
    if (t == 0) {
        dscale[j] = product;
        dshift[j] = sum;
    }
}

extern "C" __global__ void batch_norm_dz(const float* dy, const float* x, const float* weight, const float* scale,
                                         const float* moments, const float* dscale, const float* dshift,
                                         float* dz, Params p) {
    unsigned e = element();
    if (e < p.n * p.width) {
        unsigned j = e % p.width;
        float share = weight[e / p.width] / moments[3 * j + 2];
        float pull = share * fmaf(x[e], dscale[j], dshift[j]);
        dz[e] = scale[j] * moments[3 * j + 1] * (dy[e] - pull);
    }
}
