struct Params {
    unsigned n, levels;
};

// Pairs of each voxel and its neighbour, by (lower, higher) index of a level. cells: two to a word;
// count: [A, levels, levels], goes on with what is there; directions in the grid's third dimension.
extern "C" __global__ void glcm(const unsigned* cells, const unsigned* voxel, const unsigned* stride,
                                unsigned* count, Params p) {
    __shared__ unsigned own[TABLE_WORDS];
    unsigned t = threadIdx.x, first = (blockIdx.y * gridDim.x + blockIdx.x) * GROUP * PER_THREAD;
    unsigned end = first + GROUP * PER_THREAD < p.n ? first + GROUP * PER_THREAD : p.n;
    unsigned size = p.levels * p.levels;
    unsigned* all = count + (size_t)blockIdx.z * size;
    bool kept = size <= TABLE_WORDS;
    for (unsigned k = t; kept && k < size; k += GROUP) own[k] = 0;
    __syncthreads();
    for (unsigned i = first + t; i < end; i += GROUP) {
        unsigned here = voxel[i], there = here + stride[blockIdx.z];
        unsigned a = cell_level(cells[here / 2], here), b = cell_level(cells[there / 2], there);
        if (b > 0) {
            unsigned at = ((a < b ? a : b) - 1) * p.levels + (a < b ? b : a) - 1;
            atomicAdd(kept ? own + at : all + at, 1u);
        }
    }
    __syncthreads();
    for (unsigned k = t; kept && k < size; k += GROUP)
        if (own[k] > 0) atomicAdd(all + k, own[k]);
}

// The pair of each voxel and its neighbour `levels` cells further as (lower << 16 | higher), 0 where there is none.
extern "C" __global__ void glcm_keys(const unsigned* cells, const unsigned* voxel, unsigned* key, Params p) {
    unsigned i = element();
    if (i < p.n) {
        unsigned here = voxel[i], there = here + p.levels;
        unsigned a = cell_level(cells[here / 2], here), b = cell_level(cells[there / 2], there);
        key[i] = b == 0 ? 0 : a < b ? a << 16 | b : b << 16 | a;
    }
}
