struct Params {
    unsigned n, width, layer;
};

// Adds to a sum of two words, low and high: whoever wraps the low one carries.
__device__ inline void add_wide(unsigned* low, unsigned* high, unsigned amount) {
    unsigned before = atomicAdd(low, amount);
    if (before + amount < before) atomicAdd(high, 1u);
}

// Cubes by case: how many, and the sums of their places along x, y, z. A cube belongs to the first of its corners
// that is inside; cubes inside altogether have no surface and are left out. cells: four to a word, width and
// layer cells apart along y and z; table: [2, 256, 4], low words then high ones. Goes on with what is there.
extern "C" __global__ void mesh(const unsigned* cells, const unsigned* voxel, unsigned* table, Params p) {
    __shared__ unsigned own[1024];
    unsigned t = threadIdx.x, first = (blockIdx.y * gridDim.x + blockIdx.x) * GROUP * PER_THREAD;
    unsigned end = first + GROUP * PER_THREAD < p.n ? first + GROUP * PER_THREAD : p.n;
    for (unsigned k = t; k < 1024; k += GROUP) own[k] = 0;
    __syncthreads();
    for (unsigned i = first + t; i < end; i += GROUP) {
        unsigned here = voxel[i], around = 0;
        unsigned place[3] = {here % p.width, here % p.layer / p.width, here / p.layer};
        for (unsigned k = 0; k < 27; ++k) {
            unsigned there = here + k / 9 * p.layer + k / 3 % 3 * p.width + k % 3 - p.layer - p.width - 1;
            around |= cell_inside(cells[there / 4], there) << k;
        }
        if (around == 0x7ffffffu) continue;
        // As corner `mine` of a cube, in the order of memory; the others lie at `base` and on.
        for (unsigned mine = 0; mine < 8; ++mine) {
            unsigned base = 13 - (mine & 1) - (mine >> 1 & 1) * 3 - (mine >> 2) * 9, bits = 0;
            bool before = false;
            for (unsigned c = 0; c < 8; ++c) {
                unsigned in = around >> (base + (c & 1) + (c >> 1 & 1) * 3 + (c >> 2) * 9) & 1u;
                before = before || (c < mine && in);
                // Corners of a case run round a face.
                bits |= in << (c ^ (c >> 1 & 1));
            }
            if (before || bits == 255) continue;
            atomicAdd(own + 4 * bits, 1u);
            for (unsigned k = 0; k < 3; ++k) atomicAdd(own + 4 * bits + 1 + k, place[k] - (mine >> k & 1));
        }
    }
    __syncthreads();
    for (unsigned k = t; k < 1024; k += GROUP)
        if (own[k] > 0) add_wide(table + k, table + 1024 + k, own[k]);
}
