struct Params {
    unsigned n, levels, tabled, list;
};

// Runs by the voxel that they begin with; the margin ends every run. cells: two to a word; table: [A, levels,
// tabled], lengths up to `tabled`; found: [A] and large: [A, list], level and length of the others in any order.
// Goes on with what is there; directions in the grid's third dimension.
extern "C" __global__ void glrlm(const unsigned* cells, const unsigned* voxel, const unsigned* stride,
                                 unsigned* table, unsigned* found, unsigned* large, Params p) {
    __shared__ unsigned own[TABLE_WORDS];
    unsigned t = threadIdx.x, first = (blockIdx.y * gridDim.x + blockIdx.x) * GROUP * PER_THREAD;
    unsigned end = first + GROUP * PER_THREAD < p.n ? first + GROUP * PER_THREAD : p.n;
    unsigned size = p.levels * p.tabled, step = stride[blockIdx.z];
    unsigned* all = table + (size_t)blockIdx.z * size;
    unsigned* others = large + (size_t)blockIdx.z * p.list;
    bool kept = size <= TABLE_WORDS;
    for (unsigned k = t; kept && k < size; k += GROUP) own[k] = 0;
    __syncthreads();
    for (unsigned i = first + t; i < end; i += GROUP) {
        unsigned here = voxel[i], level = cell_level(cells[here / 2], here), before = here - step;
        if (cell_level(cells[before / 2], before) == level) continue;
        unsigned at = here + step, length = 1;
        for (; cell_level(cells[at / 2], at) == level; at += step) ++length;
        if (length <= p.tabled) {
            atomicAdd((kept ? own : all) + (level - 1) * p.tabled + length - 1, 1u);
        } else {
            unsigned k = 2 * atomicAdd(found + blockIdx.z, 1u);
            others[k] = level - 1;
            others[k + 1] = length;
        }
    }
    __syncthreads();
    for (unsigned k = t; kept && k < size; k += GROUP)
        if (own[k] > 0) atomicAdd(all + k, own[k]);
}
