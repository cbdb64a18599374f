// The ends of a line: `low` starts as all ones and `high` as 0, which no coordinate beyond a voxel is.
__device__ inline void widen(unsigned* ends, unsigned line, unsigned along) {
    atomicMin(ends + 2 * line, along);
    atomicMax(ends + 2 * line + 1, along);
}

struct Params {
    unsigned n, width, layer, columns, rows;
};

// Vertices between a voxel and the outside, in half voxels: the ends of those on each line along x (by z and y,
// `rows` lines to a z) and along y (by z and x, `columns` lines to a z). cells: four to a word, width and layer
// cells apart along y and z.
extern "C" __global__ void diameter_ends(const unsigned* cells, const unsigned* voxel, unsigned* along_x,
                                         unsigned* along_y, Params p) {
    unsigned i = element();
    if (i >= p.n) return;
    unsigned here = voxel[i];
    unsigned place[3] = {2 * (here % p.width), 2 * (here % p.layer / p.width), 2 * (here / p.layer)};
    unsigned stride[3] = {1, p.width, p.layer};
    for (unsigned face = 0; face < 6; ++face) {
        unsigned axis = face / 2, there = face % 2 ? here + stride[axis] : here - stride[axis];
        if (cell_inside(cells[there / 4], there)) continue;
        unsigned side = face % 2 ? 1u : ~0u;
        unsigned x = place[0] + (axis == 0 ? side : 0), y = place[1] + (axis == 1 ? side : 0);
        unsigned z = place[2] + (axis == 2 ? side : 0);
        widen(along_x, z * p.rows + y, x);
        widen(along_y, z * p.columns + x, y);
    }
}

struct Sections {
    unsigned n;
    float x, y, z;
};

// The square of the largest distance of each vertex from those of its section. vertex: [V, 3] in half voxels of
// x, y, z mm; section: [V, 2], first vertex and one beyond the last.
extern "C" __global__ void diameter_farthest(const float* vertex, const unsigned* section, float* farthest,
                                             Sections p) {
    unsigned i = element();
    if (i >= p.n) return;
    float most = 0.0f;
    for (unsigned j = section[2 * i]; j < section[2 * i + 1]; ++j) {
        float x = (vertex[3 * i] - vertex[3 * j]) * p.x, y = (vertex[3 * i + 1] - vertex[3 * j + 1]) * p.y;
        float z = (vertex[3 * i + 2] - vertex[3 * j + 2]) * p.z;
        most = fmaxf(most, fmaf(x, x, fmaf(y, y, z * z)));
    }
    farthest[i] = most;
}
