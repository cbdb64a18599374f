struct Params {
    unsigned n, width, threshold, layer, step, key0, key1;
    float scale;
};

// patient: [N, 2], low and high words.
extern "C" __global__ void dropout(const unsigned* patient, const float* a, float* y, Params params) {
    unsigned i = element();
    if (i < params.n) {
        unsigned row = i / params.width;
        bool kept = keeps(patient[2 * row], patient[2 * row + 1], i % params.width, params.layer, params.step,
                          params.key0, params.key1, params.threshold);
        y[i] = kept ? a[i] * params.scale : 0.0f;
    }
}
