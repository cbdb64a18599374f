struct Params {
    unsigned lines, extent, inner, begin, end;
};

// Values of a line, newest first.
struct Window {
    double a, b, c, d;
};

__device__ inline void shift(Window* w, double x) {
    w->d = w->c;
    w->c = w->b;
    w->b = w->a;
    w->a = x;
}

__device__ inline double weighted(const double* c, Window w) { return w.a * c[0] + w.b * c[1] + w.c * c[2] + w.d * c[3]; }

// What earlier outputs add, `done` of them being there; the border stands for the others.
__device__ inline double recalled(const double* d, Window y, const double* border, double value, unsigned done) {
    double sum = done > 0 ? y.a * d[0] : value * border[0];
    sum += done > 1 ? y.b * d[1] : value * border[1];
    sum += done > 2 ? y.c * d[2] : value * border[2];
    return sum + (done > 3 ? y.d * d[3] : value * border[3]);
}

// A thread per line: forward, then backward, whose sum is written from place `begin` to before `end`. `inner` values
// lie between two that follow each other on a line. coefficient: [5, 4] n, m, d, border n, border m as f32 high and
// low parts, [2, 20].
extern "C" __global__ void recursive(const float* volume, const float* coefficient, float* out, Params p) {
    unsigned line = element();
    if (line >= p.lines) return;
    double c[20];
    for (unsigned k = 0; k < 20; ++k) c[k] = (double)coefficient[k] + (double)coefficient[20 + k];
    size_t block = line / p.inner, within = line % p.inner;
    const float* read = volume + block * p.extent * p.inner + within;
    float* written = out + block * (p.end - p.begin) * p.inner + within;
    double border = read[0];
    Window x = {border, border, border, border}, y = {0.0, 0.0, 0.0, 0.0};
    for (unsigned i = 0; i < p.end; ++i) {
        shift(&x, read[(size_t)i * p.inner]);
        double value = weighted(c, x) - recalled(c + 8, y, c + 12, border, i);
        shift(&y, value);
        if (i >= p.begin) written[(size_t)(i - p.begin) * p.inner] = (float)value;
    }
    border = read[(size_t)(p.extent - 1) * p.inner];
    x = {border, border, border, border};
    y = {0.0, 0.0, 0.0, 0.0};
    for (unsigned i = p.extent; i-- > p.begin;) {
        double value = weighted(c + 4, x) - recalled(c + 8, y, c + 16, border, p.extent - 1 - i);
        shift(&x, read[(size_t)i * p.inner]);
        shift(&y, value);
        if (i < p.end) {
            float* at = written + (size_t)(i - p.begin) * p.inner;
            *at = (float)((double)*at + value);
        }
    }
}
