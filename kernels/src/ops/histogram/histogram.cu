struct Params {
    unsigned n, edges;
};

// Level of each value: how many edges lie at or below it. count: [edges + 1], goes on with what is there.
extern "C" __global__ void histogram(const double* value, const double* edge, unsigned* level, unsigned* count,
                                     Params p) {
    __shared__ unsigned own[TABLE_WORDS];
    unsigned t = threadIdx.x, first = (blockIdx.y * gridDim.x + blockIdx.x) * GROUP * PER_THREAD;
    unsigned end = first + GROUP * PER_THREAD < p.n ? first + GROUP * PER_THREAD : p.n;
    bool kept = p.edges < TABLE_WORDS;
    for (unsigned k = t; kept && k <= p.edges; k += GROUP) own[k] = 0;
    __syncthreads();
    for (unsigned i = first + t; i < end; i += GROUP) {
        double v = value[i];
        unsigned low = 0, high = p.edges;
        while (low < high) {
            unsigned middle = low + (high - low) / 2;
            if (edge[middle] <= v) low = middle + 1;
            else high = middle;
        }
        level[i] = low;
        atomicAdd(kept ? own + low : count + low, 1u);
    }
    __syncthreads();
    for (unsigned k = t; kept && k <= p.edges; k += GROUP)
        if (own[k] > 0) atomicAdd(count + k, own[k]);
}
