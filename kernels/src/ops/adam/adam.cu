struct Params {
    unsigned n, first;  // elements of this piece, and those before it
    unsigned stride, trainable;  // words of a problem's vector, and of these what moves
    float b1, b2, epsilon;
};

// parameter, gradient: [B, stride]; step: [B, STEP_WORDS].
extern "C" __global__ void adam(float* parameter, const float* gradient, float* mean, float* square,
                                const unsigned* step, Params params) {
    unsigned i = element(), at = params.first + i;
    if (i < params.n) {
        const unsigned* s = step + STEP_WORDS * (at / params.stride);
        if (at % params.stride < params.trainable && s[STEP_ACTIVE]) {
            float rate = __uint_as_float(s[STEP_RATE]), second = __uint_as_float(s[STEP_SECOND]);
            float g = gradient[i];
            float m = fmaf(params.b1, g - mean[i], mean[i]);
            float v = fmaf(params.b2, g * g - square[i], square[i]);
            parameter[i] -= rate * m / (sqrtf(v * second) + params.epsilon);
            mean[i] = m;
            square[i] = v;
        }
    }
}
