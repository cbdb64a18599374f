struct Params {
    n: u32,
    strides: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> voxel: array<u32>;
@group(0) @binding(2) var<storage, read_write> parent: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> root: array<u32>;
@group(0) @binding(3) var<storage, read> cells: array<u32>;
@group(0) @binding(4) var<storage, read> back: array<u32>;

// The root of a cell. Parents only ever become lower, so that one read late is still an ancestor.
fn root_of(start: u32) -> u32 {
    var cell = start;
    loop {
        let above = atomicLoad(&parent[cell]);
        if (above == cell) {
            break;
        }
        let higher = atomicLoad(&parent[above]);
        // Hung higher, so that the next way is half as long.
        if (higher < above) {
            atomicMin(&parent[cell], higher);
        }
        cell = higher;
    }
    return cell;
}

// Every voxel is its own root. parent: by cell; other cells are not touched.
@compute @workgroup_size(GROUP)
fn components_start(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i < p.n) {
        atomicStore(&parent[voxel[i]], voxel[i]);
    }
}

// Joins each voxel with the neighbours of its level that are `back` cells before it; the lower root stays.
@compute @workgroup_size(GROUP)
fn components_join(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i >= p.n) {
        return;
    }
    let here = voxel[i];
    let level = cell_level(cells[here / 2u], here);
    for (var s = 0u; s < p.strides; s++) {
        let there = here - back[s];
        if (cell_level(cells[there / 2u], there) != level) {
            continue;
        }
        var a = here;
        var b = there;
        loop {
            a = root_of(a);
            b = root_of(b);
            if (a == b) {
                break;
            }
            let low = min(a, b);
            let high = max(a, b);
            let before = atomicMin(&parent[high], low);
            // Somebody may have hung it elsewhere in the meantime: that tree is to be joined too.
            if (before == high) {
                break;
            }
            a = before;
            b = low;
        }
    }
}

// The lowest cell of each voxel's component.
@compute @workgroup_size(GROUP)
fn components_root(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i < p.n) {
        root[i] = root_of(voxel[i]);
    }
}
