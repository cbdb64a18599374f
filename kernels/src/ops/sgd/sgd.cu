struct Params {
    unsigned n, first;  // elements of this piece, and those before it
    unsigned stride, trainable;  // words of a problem's vector, and of these what moves
    float momentum;
    unsigned nesterov;
};

// parameter, gradient: [B, stride]; step: [B, STEP_WORDS].
extern "C" __global__ void sgd(float* parameter, const float* gradient, float* velocity, const unsigned* step,
                               Params params) {
    unsigned i = element(), at = params.first + i;
    if (i < params.n) {
        const unsigned* s = step + STEP_WORDS * (at / params.stride);
        if (at % params.stride < params.trainable && s[STEP_ACTIVE]) {
            float g = gradient[i];
            float u = fmaf(params.momentum, velocity[i], g);
            velocity[i] = u;
            parameter[i] -=
                __uint_as_float(s[STEP_RATE]) * (params.nesterov != 0 ? fmaf(params.momentum, u, g) : u);
        }
    }
}
