struct Params {
    unsigned n, kind;
};

extern "C" __global__ void activation(const float* z, const float* da, float* a, float* dz, Params params) {
    unsigned i = element();
    if (i < params.n) {
        float value = activation_value(params.kind, z[i]);
        a[i] = value;
        dz[i] = da[i] * activation_slope(params.kind, value);
    }
}
