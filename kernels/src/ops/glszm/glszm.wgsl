struct Params {
    n: u32,
    levels: u32,
    tabled: u32,
    list: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> voxel: array<u32>;
@group(0) @binding(1) var<storage, read> root: array<u32>;
@group(0) @binding(2) var<storage, read_write> size: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read> own_root: array<u32>;
@group(0) @binding(4) var<storage, read> cells: array<u32>;
@group(0) @binding(5) var<storage, read_write> table: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> found: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> large: array<u32>;

// Nothing is counted yet. size: by cell; other cells than those of voxels are not touched.
@compute @workgroup_size(GROUP)
fn glszm_start(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i < p.n) {
        atomicStore(&size[voxel[i]], 0u);
    }
}

// Voxels of each zone, at its root. A thread takes voxels that follow each other, which are often of one zone.
@compute @workgroup_size(GROUP)
fn glszm_sizes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let first = element(group, groups, t) * PER_THREAD;
    let end = min(p.n, first + PER_THREAD);
    var count = 0u;
    for (var i = first; i < end; i++) {
        count += 1u;
        if (i + 1u == end || root[min(i + 1u, end - 1u)] != root[i]) {
            atomicAdd(&size[root[i]], count);
            count = 0u;
        }
    }
}

// Zones by level and size: table: [levels, tabled], sizes up to `tabled`; found: [1] and large: [list], level and
// size of the others in any order. Goes on with what is there.
@compute @workgroup_size(GROUP)
fn glszm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i >= p.n || own_root[i] != voxel[i]) {
        return;
    }
    let here = voxel[i];
    let level = cell_level(cells[here / 2u], here);
    let voxels = atomicLoad(&size[here]);
    if (voxels <= p.tabled) {
        atomicAdd(&table[(level - 1u) * p.tabled + voxels - 1u], 1u);
    } else {
        let k = 2u * atomicAdd(&found[0], 1u);
        large[k] = level - 1u;
        large[k + 1u] = voxels;
    }
}
