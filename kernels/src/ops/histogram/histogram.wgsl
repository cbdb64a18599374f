struct Params {
    n: u32,
    edges: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
// Words of f64, low first.
@group(0) @binding(1) var<storage, read> value: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> edge: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> level: array<u32>;
@group(0) @binding(4) var<storage, read_write> count: array<atomic<u32>>;

var<workgroup> own: array<atomic<u32>, TABLE_WORDS>;

// An integer (low, high) in the order of the number, since there is no f64.
fn ordered(bits: vec2<u32>) -> vec2<u32> {
    if (bits.x == 0u && bits.y == 0x80000000u) {
        return vec2<u32>(0u, 0x80000000u);  // -0 is 0
    }
    if (bits.y >> 31u == 1u) {
        return ~bits;
    }
    return vec2<u32>(bits.x, bits.y | 0x80000000u);
}

fn at_most(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x <= b.x);
}

// Level of each value: how many edges lie at or below it. count: [edges + 1], goes on with what is there.
@compute @workgroup_size(GROUP)
fn histogram(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let first = (group.y * groups.x + group.x) * GROUP * PER_THREAD;
    let end = min(p.n, first + GROUP * PER_THREAD);
    let kept = p.edges < TABLE_WORDS;
    for (var i = first + t; i < end; i += GROUP) {
        let v = ordered(value[i]);
        var low = 0u;
        var high = p.edges;
        while (low < high) {
            let middle = low + (high - low) / 2u;
            if (at_most(ordered(edge[middle]), v)) {
                low = middle + 1u;
            } else {
                high = middle;
            }
        }
        level[i] = low;
        if (kept) {
            atomicAdd(&own[low], 1u);
        } else {
            atomicAdd(&count[low], 1u);
        }
    }
    workgroupBarrier();
    for (var k = t; kept && k <= p.edges; k += GROUP) {
        let n = atomicLoad(&own[k]);
        if (n > 0u) {
            atomicAdd(&count[k], n);
        }
    }
}
