struct Params {
    unsigned n;
    float rate, second, b1, b2, epsilon;
};

extern "C" __global__ void adam(float* parameter, const float* gradient, float* mean, float* square,
                                Params params) {
    unsigned i = element();
    if (i < params.n) {
        float g = gradient[i];
        float m = fmaf(params.b1, g - mean[i], mean[i]);
        float v = fmaf(params.b2, g * g - square[i], square[i]);
        parameter[i] -= params.rate * m / (sqrtf(v * params.second) + params.epsilon);
        mean[i] = m;
        square[i] = v;
    }
}
