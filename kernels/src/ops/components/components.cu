struct Params {
    unsigned n, strides;
};

// The root of a cell. Parents only ever become lower, so that one read late is still an ancestor.
__device__ inline unsigned root_of(unsigned* parent, unsigned cell) {
    volatile unsigned* seen = parent;
    for (;;) {
        unsigned above = seen[cell];
        if (above == cell) return cell;
        unsigned higher = seen[above];
        // Hung higher, so that the next way is half as long.
        if (higher < above) atomicMin(parent + cell, higher);
        cell = higher;
    }
}

// Every voxel is its own root. parent: by cell; other cells are not touched.
extern "C" __global__ void components_start(const unsigned* voxel, unsigned* parent, Params p) {
    unsigned i = element();
    if (i < p.n) parent[voxel[i]] = voxel[i];
}

// Joins each voxel with the neighbours of its level that are `back` cells before it; the lower root stays.
extern "C" __global__ void components_join(const unsigned* voxel, unsigned* parent, const unsigned* cells,
                                           const unsigned* back, Params p) {
    unsigned i = element();
    if (i >= p.n) return;
    unsigned here = voxel[i], level = cell_level(cells[here / 2], here);
    for (unsigned s = 0; s < p.strides; ++s) {
        unsigned there = here - back[s];
        if (cell_level(cells[there / 2], there) != level) continue;
        unsigned a = here, b = there;
        for (;;) {
            a = root_of(parent, a);
            b = root_of(parent, b);
            if (a == b) break;
            unsigned low = a < b ? a : b, high = a < b ? b : a;
            unsigned before = atomicMin(parent + high, low);
            // Somebody may have hung it elsewhere in the meantime: that tree is to be joined too.
            if (before == high) break;
            a = before;
            b = low;
        }
    }
}

// The lowest cell of each voxel's component.
extern "C" __global__ void components_root(const unsigned* voxel, unsigned* parent, unsigned* root, Params p) {
    unsigned i = element();
    if (i < p.n) root[i] = root_of(parent, voxel[i]);
}
