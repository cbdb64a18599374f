// One group of threads per problem. Sums are pairs (m, s) worth s e^m, so that no range of scores is
// too wide, and only positive numbers are ever added. Every order of addition is fixed.
const ITEMS: u32 = 8u;
const LOWEST: f32 = -3.0e38f;

struct Params {
    problems: u32,
    n: u32,
    groups: u32,
    efron: u32,
    normalise: u32,
    weighted: u32,
    // Of the tree of groups, with left truncation.
    leaves: u32,
    segments: u32,
}

// m, s
alias Sum = vec2<f32>;
const NOTHING: Sum = Sum(LOWEST, 0.0f);

@group(0) @binding(0) var<uniform> p: Params;
// [N]: group of events that the row is in or before, and its flags.
@group(0) @binding(1) var<storage, read> rows: array<u32>;
// [G, 2]: first row, and end with COX_HEAD set on the last group of a stratum.
@group(0) @binding(2) var<storage, read> event_groups: array<u32>;
@group(0) @binding(3) var<storage, read> score: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;
// [B, 5, G]: exponent, sum and own sum of each group, exponent and sum of its rate; with left truncation
// [B, 5 G + 2 (segments + 2 leaves)], exponents and sums of segments and of nodes behind.
@group(0) @binding(7) var<storage, read_write> work: array<f32>;
// With left truncation. [N, 2] the groups from which and to which a row is at risk, the first segment of each node
// and an end, the first row of each segment and an end, and the rows.
@group(0) @binding(8) var<storage, read> tree: array<u32>;

var<workgroup> shared_sum: array<Sum, GROUP>;
var<workgroup> shared_head: array<u32, GROUP>;

fn plus(a: Sum, b: Sum) -> Sum {
    if (a.y == 0.0f) {
        return b;
    }
    if (b.y == 0.0f) {
        return a;
    }
    let m = max(a.x, b.x);
    return Sum(m, a.y * exp_nonpositive(a.x - m) + b.y * exp_nonpositive(b.x - m));
}

fn weight_of(at: u32) -> f32 {
    if (p.weighted != 0u) {
        return weight[at];
    }
    return 1.0f;
}

fn mass(at: u32) -> Sum {
    let w = weight_of(at);
    if (w > 0.0f) {
        return Sum(score[at], w);
    }
    return NOTHING;
}

// Inclusive scan over the threads; a head starts anew.
fn scan(t: u32, value: Sum, is_head: u32) {
    var own = value;
    var head = is_head;
    shared_sum[t] = own;
    shared_head[t] = head;
    workgroupBarrier();
    for (var d = 1u; d < GROUP; d <<= 1u) {
        var other = NOTHING;
        var other_head = 0u;
        if (t >= d) {
            other = shared_sum[t - d];
            other_head = shared_head[t - d];
        }
        workgroupBarrier();
        if (t >= d) {
            if (head == 0u) {
                own = plus(other, own);
            }
            head |= other_head;
            shared_sum[t] = own;
            shared_head[t] = head;
        }
        workgroupBarrier();
    }
}

// Sum up to and with thread t, given what came before the tile.
fn upto(t: u32, carry: Sum) -> Sum {
    if (shared_head[t] != 0u) {
        return shared_sum[t];
    }
    return plus(carry, shared_sum[t]);
}

// Where the data of a problem begin: its rows, and the sums of its groups in work.
struct Places {
    start: u32,
    risk_m: u32,
    risk_s: u32,
    own_s: u32,
    rate_m: u32,
    rate_s: u32,
}

fn places(k: u32, words: u32) -> Places {
    let first = k * words;
    return Places(k * p.n, first, first + p.groups, first + 2u * p.groups, first + 3u * p.groups,
                  first + 4u * p.groups);
}

// What is at risk before the first event of each group.
fn risks(t: u32, at: Places) {
    var carry = NOTHING;
    for (var base = 0u; base < p.n; base += GROUP * ITEMS) {
        let first = base + t * ITEMS;
        let last = min(first + ITEMS, p.n);
        var own = NOTHING;
        var head = 0u;
        for (var i = first; i < last; i++) {
            if ((rows[i] & COX_HEAD) != 0u) {
                own = NOTHING;
                head = 1u;
            }
            own = plus(own, mass(at.start + i));
        }
        scan(t, own, head);
        var before = carry;
        if (t > 0u) {
            before = upto(t - 1u, carry);
        }
        for (var i = first; i < last; i++) {
            let info = rows[i];
            let g = info & COX_NO_GROUP;
            if ((info & COX_HEAD) != 0u) {
                before = NOTHING;
            }
            if ((info & COX_EVENT) != 0u && event_groups[2u * g] == i) {
                work[at.risk_m + g] = before.x;
                work[at.risk_s + g] = before.y;
            }
            before = plus(before, mass(at.start + i));
        }
        carry = upto(GROUP - 1u, carry);
        workgroupBarrier();
    }
    storageBarrier();
}

// Terms of each group: the dying leave one share after the other, so nothing is subtracted. Leaves the
// group's part of the rate in place of what is at risk; the result is what the gradient is scaled by.
fn terms(t: u32, k: u32, at: Places) -> f32 {
    var nll = 0.0f;
    var events = 0.0f;
    for (var g = t; g < p.groups; g += GROUP) {
        let first = event_groups[2u * g];
        let end = event_groups[2u * g + 1u] & ~COX_HEAD;
        var count = 0u;
        var total = 0.0f;
        var highest = LOWEST;
        for (var i = first; i < end; i++) {
            let w = weight_of(at.start + i);
            if (w > 0.0f) {
                count += 1u;
                total += w;
                highest = max(highest, score[at.start + i]);
            }
        }
        var m = highest;
        var before = 0.0f;
        if (work[at.risk_s + g] > 0.0f) {
            m = max(work[at.risk_m + g], highest);
            before = work[at.risk_s + g] * exp_nonpositive(work[at.risk_m + g] - m);
        }
        // Long ties are summed in runs of 32, so that errors grow with the runs and not the events.
        var dying = vec2<f32>(0.0f, 0.0f);
        var terms_sum = vec3<f32>(0.0f, 0.0f, 0.0f);
        var factor = 0.0f;
        if (count > 0u) {
            var run = vec2<f32>(0.0f, 0.0f);
            for (var i = first; i < end; i++) {
                let w = weight_of(at.start + i);
                if (w > 0.0f) {
                    run += w * vec2<f32>(exp_nonpositive(score[at.start + i] - m), m - score[at.start + i]);
                }
                if (i % 32u == 31u || i + 1u == end) {
                    dying += run;
                    run = vec2<f32>(0.0f, 0.0f);
                }
            }
            let terms = select(1u, count, p.efron != 0u);
            factor = total / f32(terms);
            var terms_run = vec3<f32>(0.0f, 0.0f, 0.0f);
            for (var r = 0u; r < terms; r++) {
                let share = f32(terms - r) / f32(terms);
                let term = before + share * dying.x;
                // log, A and what remains of A for the group's own events
                terms_run += vec3<f32>(ln_of(term), 1.0f / term, share / term);
                if (r % 32u == 31u || r + 1u == terms) {
                    terms_sum += terms_run;
                    terms_run = vec3<f32>(0.0f, 0.0f, 0.0f);
                }
            }
            nll += factor * terms_sum.x + dying.y;
            events += total;
        }
        work[at.risk_m + g] = -m;
        work[at.risk_s + g] = factor * terms_sum.y;
        work[at.own_s + g] = factor * terms_sum.z;
    }
    shared_sum[t] = Sum(nll, events);
    workgroupBarrier();
    for (var d = GROUP / 2u; d > 0u; d >>= 1u) {
        if (t < d) {
            shared_sum[t] += shared_sum[t + d];
        }
        workgroupBarrier();
    }
    let sums = shared_sum[0];
    workgroupBarrier();
    storageBarrier();
    var scale = 1.0f;
    if (p.normalise != 0u && sums.y > 0.0f) {
        scale = 1.0f / sums.y;
    }
    if (t == 0u) {
        loss[2u * k] = sums.x * scale;
        loss[2u * k + 1u] = sums.y;
    }
    return scale;
}

// Rates, summed from the last group of each stratum.
fn rates(t: u32, at: Places) {
    var carry = NOTHING;
    for (var base = 0u; base < p.groups; base += GROUP * ITEMS) {
        let first = base + t * ITEMS;
        let last = min(first + ITEMS, p.groups);
        var own = NOTHING;
        var head = 0u;
        for (var r = first; r < last; r++) {
            let g = p.groups - 1u - r;
            if ((event_groups[2u * g + 1u] & COX_HEAD) != 0u) {
                own = NOTHING;
                head = 1u;
            }
            own = plus(own, Sum(work[at.risk_m + g], work[at.risk_s + g]));
        }
        scan(t, own, head);
        var later = carry;
        if (t > 0u) {
            later = upto(t - 1u, carry);
        }
        for (var r = first; r < last; r++) {
            let g = p.groups - 1u - r;
            if ((event_groups[2u * g + 1u] & COX_HEAD) != 0u) {
                later = NOTHING;
            }
            later = plus(later, Sum(work[at.risk_m + g], work[at.risk_s + g]));
            work[at.rate_m + g] = later.x;
            work[at.rate_s + g] = later.y;
        }
        carry = upto(GROUP - 1u, carry);
        workgroupBarrier();
    }
    storageBarrier();
}

// Gradient of a row that feels `rate`, less its own event.
fn write_gradient(row: u32, i: u32, rate: Sum, scale: f32) {
    let w = weight_of(i);
    var felt = 0.0f;
    if (w > 0.0f && rate.y != 0.0f) {
        felt = w * rate.y * exp_nonpositive(score[i] + rate.x);
    }
    let died = select(0.0f, w, (rows[row] & COX_EVENT) != 0u && w > 0.0f);
    gradient[i] = scale * (felt - died);
}

@compute @workgroup_size(GROUP)
fn cox_nll(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let k = group.y * groups.x + group.x;
    if (k >= p.problems) {
        return;
    }
    let at = places(k, 5u * p.groups);
    risks(t, at);
    let scale = terms(t, k, at);
    rates(t, at);
    for (var i = t; i < p.n; i += GROUP) {
        let info = rows[i];
        let g = info & COX_NO_GROUP;
        var rate = NOTHING;
        if (g != COX_NO_GROUP && (info & COX_EVENT) == 0u) {
            rate = Sum(work[at.rate_m + g], work[at.rate_s + g]);
        } else if (g != COX_NO_GROUP) {
            rate = Sum(work[at.risk_m + g], work[at.own_s + g]);
            if ((event_groups[2u * g + 1u] & COX_HEAD) == 0u) {
                rate = plus(rate, Sum(work[at.rate_m + g + 1u], work[at.rate_s + g + 1u]));
            }
        }
        write_gradient(i, at.start + i, rate, scale);
    }
}

// With left truncation a row is at risk from one group to another, and nothing may be subtracted: such a stretch
// is a few nodes of a binary tree over the groups.
@compute @workgroup_size(GROUP)
fn cox_nll_truncated(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let k = group.y * groups.x + group.x;
    if (k >= p.problems) {
        return;
    }
    let nodes = 2u * p.leaves;
    let words = 5u * p.groups + 2u * (p.segments + nodes);
    let at = places(k, words);
    let segment_m = k * words + 5u * p.groups;
    let segment_s = segment_m + p.segments;
    let node_m = segment_s + p.segments;
    let node_s = node_m + nodes;
    let first_segment = 2u * p.n;
    let first_row = first_segment + nodes + 1u;
    let listed = first_row + p.segments + 1u;

    for (var s = t; s < p.segments; s += GROUP) {
        var sum = NOTHING;
        for (var r = tree[first_row + s]; r < tree[first_row + s + 1u]; r++) {
            sum = plus(sum, mass(at.start + tree[listed + r]));
        }
        work[segment_m + s] = sum.x;
        work[segment_s + s] = sum.y;
    }
    storageBarrier();
    for (var node = t; node < nodes; node += GROUP) {
        var sum = NOTHING;
        for (var s = tree[first_segment + node]; s < tree[first_segment + node + 1u]; s++) {
            sum = plus(sum, Sum(work[segment_m + s], work[segment_s + s]));
        }
        work[node_m + node] = sum.x;
        work[node_s + node] = sum.y;
    }
    storageBarrier();
    for (var g = t; g < p.groups; g += GROUP) {
        var sum = NOTHING;
        for (var node = p.leaves + g; node > 0u; node >>= 1u) {
            sum = plus(sum, Sum(work[node_m + node], work[node_s + node]));
        }
        work[at.risk_m + g] = sum.x;
        work[at.risk_s + g] = sum.y;
    }
    storageBarrier();
    let scale = terms(t, k, at);

    for (var g = t; g < p.leaves; g += GROUP) {
        var rate = NOTHING;
        if (g < p.groups) {
            rate = Sum(work[at.risk_m + g], work[at.risk_s + g]);
        }
        work[node_m + p.leaves + g] = rate.x;
        work[node_s + p.leaves + g] = rate.y;
    }
    storageBarrier();
    for (var level = p.leaves >> 1u; level > 0u; level >>= 1u) {
        for (var node = level + t; node < 2u * level; node += GROUP) {
            let low = Sum(work[node_m + 2u * node], work[node_s + 2u * node]);
            let sum = plus(low, Sum(work[node_m + 2u * node + 1u], work[node_s + 2u * node + 1u]));
            work[node_m + node] = sum.x;
            work[node_s + node] = sum.y;
        }
        storageBarrier();
    }
    for (var i = t; i < p.n; i += GROUP) {
        let info = rows[i];
        var rate = NOTHING;
        if ((info & COX_EVENT) != 0u) {
            let g = info & COX_NO_GROUP;
            rate = Sum(work[at.risk_m + g], work[at.own_s + g]);
        }
        var l = p.leaves + tree[2u * i];
        var r = p.leaves + tree[2u * i + 1u];
        while (l < r) {
            if ((l & 1u) != 0u) {
                rate = plus(rate, Sum(work[node_m + l], work[node_s + l]));
                l++;
            }
            if ((r & 1u) != 0u) {
                r--;
                rate = plus(rate, Sum(work[node_m + r], work[node_s + r]));
            }
            l >>= 1u;
            r >>= 1u;
        }
        write_gradient(i, at.start + i, rate, scale);
    }
}
