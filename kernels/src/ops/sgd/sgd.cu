struct Params {
    unsigned n;
    float rate, momentum;
    unsigned nesterov;
};

extern "C" __global__ void sgd(float* parameter, const float* gradient, float* velocity, Params params) {
    unsigned i = element();
    if (i < params.n) {
        float g = gradient[i];
        float u = fmaf(params.momentum, velocity[i], g);
        velocity[i] = u;
        parameter[i] -= params.rate * (params.nesterov != 0 ? fmaf(params.momentum, u, g) : u);
    }
}
