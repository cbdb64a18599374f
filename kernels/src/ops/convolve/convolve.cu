struct Params {
    unsigned n, taps, length, inner, extent;
};

// A thread per output; terms are added in the order of the taps. Lines of `extent` values are read at `place` and
// become `length` long; `inner` outputs lie between two that follow each other on a line.
extern "C" __global__ void convolve(const float* volume, const float* tap, const unsigned* place, float* out,
                                    Params p) {
    unsigned i = element();
    if (i >= p.n) return;
    unsigned within = i % p.inner, o = i / p.inner % p.length, line = i / p.inner / p.length;
    const float* values = volume + (size_t)line * p.extent * p.inner + within;
    float sum = 0.0f;
    for (unsigned j = 0; j < p.taps; ++j) sum += tap[j] * values[place[o + p.taps - 1 - j] * p.inner];
    out[i] = sum;
}
