struct Params {
    unsigned n, stride;  // elements, and words of a problem's vector
    float mu;
};

extern "C" __global__ void penalty(const float* parameter, const float* anchor, const float* decay,
                                   float* gradient, Params p) {
    unsigned i = element();
    if (i < p.n) {
        float x = parameter[i];
        gradient[i] = fmaf(decay[i % p.stride], x, fmaf(p.mu, x - anchor[i], gradient[i]));
    }
}
