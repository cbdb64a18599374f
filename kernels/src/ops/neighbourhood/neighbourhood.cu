struct Params {
    unsigned n, levels, strides, alpha;
};

// Adds to a sum of two words, low and high: whoever wraps the low one carries.
__device__ inline void add_wide(unsigned* low, unsigned* high, unsigned amount) {
    unsigned before = atomicAdd(low, amount);
    if (before + amount < before) atomicAdd(high, 1u);
}

// cells: two to a word; stride: both directions; value: [1 + levels]; table: [3, levels, 1 + strides], by
// dependent neighbours the voxels, and by neighbours the low and high words of what they are apart.
extern "C" __global__ void neighbourhood(const unsigned* cells, const unsigned* voxel, const unsigned* stride,
                                         const unsigned* value, unsigned* table, Params p) {
    __shared__ unsigned own[TABLE_WORDS];
    unsigned t = threadIdx.x, first = (blockIdx.y * gridDim.x + blockIdx.x) * GROUP * PER_THREAD;
    unsigned end = first + GROUP * PER_THREAD < p.n ? first + GROUP * PER_THREAD : p.n;
    unsigned width = p.strides + 1, size = p.levels * width;
    bool kept = 3 * size <= TABLE_WORDS;
    unsigned* into = kept ? own : table;
    for (unsigned k = t; kept && k < 3 * size; k += GROUP) own[k] = 0;
    __syncthreads();
    for (unsigned i = first + t; i < end; i += GROUP) {
        unsigned here = voxel[i], index = cell_level(cells[here / 2], here), level = value[index];
        unsigned count = 0, sum = 0, dependent = 0;
        for (unsigned s = 0; s < p.strides; ++s) {
            unsigned there = here + stride[s], other = cell_level(cells[there / 2], there);
            if (other > 0) {
                unsigned v = value[other];
                count += 1;
                sum += v;
                dependent += (v > level ? v - level : level - v) <= p.alpha;
            }
        }
        unsigned row = (index - 1) * width, all = level * count, at = size + row + count;
        atomicAdd(into + row + dependent, 1u);
        add_wide(into + at, into + size + at, all > sum ? all - sum : sum - all);
    }
    __syncthreads();
    for (unsigned k = t; kept && k < size; k += GROUP) {
        if (own[k] > 0) atomicAdd(table + k, own[k]);
        add_wide(table + size + k, table + 2 * size + k, own[size + k]);
        if (own[2 * size + k] > 0) atomicAdd(table + 2 * size + k, own[2 * size + k]);
    }
}
