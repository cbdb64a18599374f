struct Params {
    n: u32,
    levels: u32,
    strides: u32,
    alpha: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> cells: array<u32>;
@group(0) @binding(2) var<storage, read> voxel: array<u32>;
@group(0) @binding(3) var<storage, read> stride: array<u32>;
@group(0) @binding(4) var<storage, read> value: array<u32>;
@group(0) @binding(5) var<storage, read_write> table: array<atomic<u32>>;

var<workgroup> own: array<atomic<u32>, TABLE_WORDS>;

// Adds to a sum of two words, low and high: whoever wraps the low one carries.
fn add_wide(low: u32, high: u32, amount: u32) {
    let before = atomicAdd(&table[low], amount);
    if (before + amount < before) {
        atomicAdd(&table[high], 1u);
    }
}

fn add_wide_own(low: u32, high: u32, amount: u32) {
    let before = atomicAdd(&own[low], amount);
    if (before + amount < before) {
        atomicAdd(&own[high], 1u);
    }
}

// cells: two to a word; stride: both directions; value: [1 + levels]; table: [3, levels, 1 + strides], by
// dependent neighbours the voxels, and by neighbours the low and high words of what they are apart.
@compute @workgroup_size(GROUP)
fn neighbourhood(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let first = (group.y * groups.x + group.x) * GROUP * PER_THREAD;
    let end = min(p.n, first + GROUP * PER_THREAD);
    let width = p.strides + 1u;
    let size = p.levels * width;
    let kept = 3u * size <= TABLE_WORDS;
    for (var i = first + t; i < end; i += GROUP) {
        let here = voxel[i];
        let index = cell_level(cells[here / 2u], here);
        let level = value[index];
        var count = 0u;
        var sum = 0u;
        var dependent = 0u;
        for (var s = 0u; s < p.strides; s++) {
            let there = here + stride[s];
            let other = cell_level(cells[there / 2u], there);
            if (other > 0u) {
                let v = value[other];
                count += 1u;
                sum += v;
                dependent += select(0u, 1u, max(v, level) - min(v, level) <= p.alpha);
            }
        }
        let row = (index - 1u) * width;
        let all = level * count;
        let at = size + row + count;
        let apart = max(all, sum) - min(all, sum);
        if (kept) {
            atomicAdd(&own[row + dependent], 1u);
            add_wide_own(at, size + at, apart);
        } else {
            atomicAdd(&table[row + dependent], 1u);
            add_wide(at, size + at, apart);
        }
    }
    workgroupBarrier();
    for (var k = t; kept && k < size; k += GROUP) {
        atomicAdd(&table[k], atomicLoad(&own[k]));
        add_wide(size + k, 2u * size + k, atomicLoad(&own[size + k]));
        atomicAdd(&table[2u * size + k], atomicLoad(&own[2u * size + k]));
    }
}
