struct Params {
    n: u32,
    width: u32,
    layer: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> cells: array<u32>;
@group(0) @binding(2) var<storage, read> voxel: array<u32>;
@group(0) @binding(3) var<storage, read_write> table: array<atomic<u32>>;

var<workgroup> own: array<atomic<u32>, 1024>;

// Cubes by case: how many, and the sums of their places along x, y, z. A cube belongs to the first of its corners
// that is inside; cubes inside altogether have no surface and are left out. cells: four to a word, width and
// layer cells apart along y and z; table: [2, 256, 4], low words then high ones. Goes on with what is there.
@compute @workgroup_size(GROUP)
fn mesh(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let first = (group.y * groups.x + group.x) * GROUP * PER_THREAD;
    let end = min(p.n, first + GROUP * PER_THREAD);
    for (var i = first + t; i < end; i += GROUP) {
        let here = voxel[i];
        let place = vec3<u32>(here % p.width, here % p.layer / p.width, here / p.layer);
        var around = 0u;
        for (var k = 0u; k < 27u; k++) {
            let there = here + k / 9u * p.layer + k / 3u % 3u * p.width + k % 3u - p.layer - p.width - 1u;
            around |= cell_inside(cells[there / 4u], there) << k;
        }
        if (around == 0x7ffffffu) {
            continue;
        }
        // As corner `mine` of a cube, in the order of memory; the others lie at `base` and on.
        for (var mine = 0u; mine < 8u; mine++) {
            let step = vec3<u32>(mine & 1u, (mine >> 1u) & 1u, mine >> 2u);
            let base = 13u - step.x - step.y * 3u - step.z * 9u;
            var bits = 0u;
            var before = false;
            for (var c = 0u; c < 8u; c++) {
                let inside = (around >> (base + (c & 1u) + ((c >> 1u) & 1u) * 3u + (c >> 2u) * 9u)) & 1u;
                before = before || (c < mine && inside == 1u);
                // Corners of a case run round a face.
                bits |= inside << (c ^ ((c >> 1u) & 1u));
            }
            if (before || bits == 255u) {
                continue;
            }
            let at = place - step;
            atomicAdd(&own[4u * bits], 1u);
            atomicAdd(&own[4u * bits + 1u], at.x);
            atomicAdd(&own[4u * bits + 2u], at.y);
            atomicAdd(&own[4u * bits + 3u], at.z);
        }
    }
    workgroupBarrier();
    for (var k = t; k < 1024u; k += GROUP) {
        let amount = atomicLoad(&own[k]);
        if (amount > 0u) {
            // A sum of two words, low and high: whoever wraps the low one carries.
            let before = atomicAdd(&table[k], amount);
            if (before + amount < before) {
                atomicAdd(&table[1024u + k], 1u);
            }
        }
    }
}
