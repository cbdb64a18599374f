struct Params {
    n: u32,
    levels: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> cells: array<u32>;
@group(0) @binding(2) var<storage, read> voxel: array<u32>;
@group(0) @binding(3) var<storage, read> stride: array<u32>;
@group(0) @binding(4) var<storage, read_write> count: array<atomic<u32>>;

var<workgroup> own: array<atomic<u32>, TABLE_WORDS>;

// Pairs of each voxel and its neighbour, by (lower, higher) index of a level. cells: two to a word;
// count: [A, levels, levels], goes on with what is there; directions in the grid's third dimension.
@compute @workgroup_size(GROUP)
fn glcm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let first = (group.y * groups.x + group.x) * GROUP * PER_THREAD;
    let end = min(p.n, first + GROUP * PER_THREAD);
    let size = p.levels * p.levels;
    let all = group.z * size;
    let kept = size <= TABLE_WORDS;
    for (var i = first + t; i < end; i += GROUP) {
        let here = voxel[i];
        let there = here + stride[group.z];
        let a = cell_level(cells[here / 2u], here);
        let b = cell_level(cells[there / 2u], there);
        if (b > 0u) {
            let at = (min(a, b) - 1u) * p.levels + max(a, b) - 1u;
            if (kept) {
                atomicAdd(&own[at], 1u);
            } else {
                atomicAdd(&count[all + at], 1u);
            }
        }
    }
    workgroupBarrier();
    for (var k = t; kept && k < size; k += GROUP) {
        let n = atomicLoad(&own[k]);
        if (n > 0u) {
            atomicAdd(&count[all + k], n);
        }
    }
}

@group(0) @binding(3) var<storage, read_write> key: array<u32>;

// The pair of each voxel and its neighbour `levels` cells further as (lower << 16 | higher), 0 where there is none.
@compute @workgroup_size(GROUP)
fn glcm_keys(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i < p.n) {
        let here = voxel[i];
        let there = here + p.levels;
        let a = cell_level(cells[here / 2u], here);
        let b = cell_level(cells[there / 2u], there);
        key[i] = select((min(a, b) << 16u) | max(a, b), 0u, b == 0u);
    }
}
