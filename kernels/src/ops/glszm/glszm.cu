struct Params {
    unsigned n, levels, tabled, list;
};

// Nothing is counted yet. size: by cell; other cells than those of voxels are not touched.
extern "C" __global__ void glszm_start(const unsigned* voxel, unsigned* size, Params p) {
    unsigned i = element();
    if (i < p.n) size[voxel[i]] = 0;
}

// Voxels of each zone, at its root. A thread takes voxels that follow each other, which are often of one zone.
extern "C" __global__ void glszm_sizes(const unsigned* root, unsigned* size, Params p) {
    unsigned first = element() * PER_THREAD, count = 0;
    unsigned end = first + PER_THREAD < p.n ? first + PER_THREAD : p.n;
    for (unsigned i = first; i < end; ++i) {
        ++count;
        if (i + 1 == end || root[i + 1] != root[i]) {
            atomicAdd(size + root[i], count);
            count = 0;
        }
    }
}

// Zones by level and size: table: [levels, tabled], sizes up to `tabled`; found: [1] and large: [list], level and
// size of the others in any order. Goes on with what is there.
extern "C" __global__ void glszm(const unsigned* voxel, const unsigned* size, const unsigned* root,
                                 const unsigned* cells, unsigned* table, unsigned* found, unsigned* large,
                                 Params p) {
    unsigned i = element();
    if (i >= p.n || root[i] != voxel[i]) return;
    unsigned here = voxel[i], level = cell_level(cells[here / 2], here), voxels = size[here];
    if (voxels <= p.tabled) {
        atomicAdd(table + (level - 1) * p.tabled + voxels - 1, 1u);
    } else {
        unsigned k = 2 * atomicAdd(found, 1u);
        large[k] = level - 1;
        large[k + 1] = voxels;
    }
}
