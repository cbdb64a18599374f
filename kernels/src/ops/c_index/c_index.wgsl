struct Params {
    rows: u32,
    first: u32,
    events: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> key: array<u32>;
@group(0) @binding(2) var<storage, read> own: array<u32>;
@group(0) @binding(3) var<storage, read> event_until: array<u32>;
@group(0) @binding(4) var<storage, read_write> count: array<u32>;

var<workgroup> keys: array<u32, GROUP>;
var<workgroup> counts: array<vec2<u32>, GROUP>;

fn counted(yes: vec4<bool>) -> vec4<u32> {
    return select(vec4<u32>(), vec4<u32>(1u), yes);
}

// Counts, for each event, the later patients of a lower and of the same risk: patients lie from the last
// time to the first, so that the later ones are those before `until`. key: [B, rows], a piece of the patients
// from `first` on; own, until: [B, E] and [E], the risk of each event and where its later patients end,
// ascending. count: [B, chunks, groups, 2].
@compute @workgroup_size(GROUP)
fn c_index(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let k = group.z;
    let start = group.x * C_INDEX_EACH * GROUP;
    var mine = vec4<u32>();
    var end = vec4<u32>();
    for (var r = 0u; r < C_INDEX_EACH; r++) {
        let e = start + r * GROUP + t;
        if (e < p.events) {
            mine[r] = own[k * p.events + e];
            end[r] = max(event_until[e], p.first) - p.first;
        }
    }
    let least = min(min(end.x, end.y), min(end.z, end.w));
    // The last event of the group has the most later patients.
    let last = min(start + C_INDEX_EACH * GROUP, p.events) - 1u;
    let most = max(event_until[last], p.first) - p.first;
    let stop = min(min((group.y + 1u) * C_INDEX_CHUNK, p.rows), most);
    var below = vec4<u32>();
    var tied = vec4<u32>();
    for (var base = group.y * C_INDEX_CHUNK; base < stop; base += GROUP) {
        if (base + t < p.rows) {
            keys[t] = key[k * p.rows + base + t];
        }
        workgroupBarrier();
        if (least >= base + GROUP) {
            for (var i = 0u; i < GROUP; i++) {
                let other = vec4<u32>(keys[i]);
                below += counted(other < mine);
                tied += counted(other == mine);
            }
        } else {
            let here = max(end, vec4<u32>(base)) - vec4<u32>(base);
            let longest = min(max(max(here.x, here.y), max(here.z, here.w)), GROUP);
            for (var i = 0u; i < longest; i++) {
                let other = vec4<u32>(keys[i]);
                let inside = vec4<u32>(i) < here;
                below += counted((other < mine) & inside);
                tied += counted((other == mine) & inside);
            }
        }
        workgroupBarrier();
    }
    counts[t] = vec2<u32>(below.x + below.y + below.z + below.w, tied.x + tied.y + tied.z + tied.w);
    workgroupBarrier();
    for (var d = GROUP / 2u; d > 0u; d >>= 1u) {
        if (t < d) {
            counts[t] += counts[t + d];
        }
        workgroupBarrier();
    }
    if (t == 0u) {
        let out = 2u * ((k * groups.y + group.y) * groups.x + group.x);
        count[out] = counts[0].x;
        count[out + 1u] = counts[0].y;
    }
}
