struct Params {
    n: u32,
    levels: u32,
    tabled: u32,
    list: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> cells: array<u32>;
@group(0) @binding(2) var<storage, read> voxel: array<u32>;
@group(0) @binding(3) var<storage, read> stride: array<u32>;
@group(0) @binding(4) var<storage, read_write> table: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> found: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> large: array<u32>;

var<workgroup> own: array<atomic<u32>, TABLE_WORDS>;

// Runs by the voxel that they begin with; the margin ends every run. cells: two to a word; table: [A, levels,
// tabled], lengths up to `tabled`; found: [A] and large: [A, list], level and length of the others in any order.
// Goes on with what is there; directions in the grid's third dimension.
@compute @workgroup_size(GROUP)
fn glrlm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let first = (group.y * groups.x + group.x) * GROUP * PER_THREAD;
    let end = min(p.n, first + GROUP * PER_THREAD);
    let size = p.levels * p.tabled;
    let all = group.z * size;
    let step = stride[group.z];
    let kept = size <= TABLE_WORDS;
    for (var i = first + t; i < end; i += GROUP) {
        let here = voxel[i];
        let level = cell_level(cells[here / 2u], here);
        let before = here - step;
        if (cell_level(cells[before / 2u], before) == level) {
            continue;
        }
        var at = here + step;
        var length = 1u;
        while (cell_level(cells[at / 2u], at) == level) {
            at += step;
            length += 1u;
        }
        if (length > p.tabled) {
            let k = group.z * p.list + 2u * atomicAdd(&found[group.z], 1u);
            large[k] = level - 1u;
            large[k + 1u] = length;
        } else if (kept) {
            atomicAdd(&own[(level - 1u) * p.tabled + length - 1u], 1u);
        } else {
            atomicAdd(&table[all + (level - 1u) * p.tabled + length - 1u], 1u);
        }
    }
    workgroupBarrier();
    for (var k = t; kept && k < size; k += GROUP) {
        let n = atomicLoad(&own[k]);
        if (n > 0u) {
            atomicAdd(&table[all + k], n);
        }
    }
}
