// One group of threads per problem. Sums are pairs (m, s) worth s e^m, so that no range of scores is
// too wide, and only positive numbers are ever added; s is a double. Every order of addition is fixed.
#define ITEMS 8u
#define LOWEST -3.0e38f

struct Params {
    unsigned problems, n, groups, efron, normalise, weighted;
    unsigned leaves, segments;  // of the tree of groups, with left truncation
};

struct Sum {
    float m;
    double s;
};

struct Scan {
    float m[GROUP];
    double s[GROUP];
    unsigned head[GROUP];
};

__device__ inline Sum nothing() {
    Sum sum = {LOWEST, 0.0};
    return sum;
}

__device__ inline Sum plus(Sum a, Sum b) {
    if (a.s == 0.0) return b;
    if (b.s == 0.0) return a;
    Sum sum;
    sum.m = fmaxf(a.m, b.m);
    sum.s = a.s * exp_nonpositive(a.m - sum.m) + b.s * exp_nonpositive(b.m - sum.m);
    return sum;
}

__device__ inline Sum mass(float h, float w) {
    Sum sum = {h, w};
    return w > 0.0f ? sum : nothing();
}

// Inclusive scan over the threads; a head starts anew.
__device__ inline void scan(Scan* shared, unsigned t, Sum own, unsigned head) {
    shared->m[t] = own.m;
    shared->s[t] = own.s;
    shared->head[t] = head;
    __syncthreads();
    for (unsigned d = 1; d < GROUP; d <<= 1) {
        Sum other = nothing();
        unsigned other_head = 0;
        if (t >= d) {
            other.m = shared->m[t - d];
            other.s = shared->s[t - d];
            other_head = shared->head[t - d];
        }
        __syncthreads();
        if (t >= d) {
            if (head == 0) own = plus(other, own);
            head |= other_head;
            shared->m[t] = own.m;
            shared->s[t] = own.s;
            shared->head[t] = head;
        }
        __syncthreads();
    }
}

// Sum up to and with thread t, given what came before the tile.
__device__ inline Sum upto(const Scan* shared, unsigned t, Sum carry) {
    Sum own = {shared->m[t], shared->s[t]};
    return shared->head[t] != 0 ? own : plus(carry, own);
}

// The data of a problem. rows: [N] group of events that the row is in or before, and its flags; groups: [G, 2]
// first row, and end with COX_HEAD set on the last group of a stratum; the sums of each group lie in work.
struct Problem {
    const unsigned *rows, *groups;
    const float *h, *w;
    float *out, *risk_m, *risk_s, *own_s, *rate_m, *rate_s;
};

__device__ inline Problem problem(const unsigned* rows, const unsigned* groups, const float* score,
                                  const float* weight, float* gradient, float* work, unsigned k, Params p) {
    size_t at = (size_t)k * p.n;
    return {rows, groups, score + at, weight + at, gradient + at, work, work + p.groups, work + 2 * p.groups,
            work + 3 * p.groups, work + 4 * p.groups};
}

__device__ inline Sum row_mass(const Problem& q, unsigned i, Params p) {
    return mass(q.h[i], p.weighted ? q.w[i] : 1.0f);
}

// What is at risk before the first event of each group.
__device__ inline void risks(const Problem& q, Scan* shared, unsigned t, Params p) {
    Sum carry = nothing();
    for (unsigned base = 0; base < p.n; base += GROUP * ITEMS) {
        unsigned first = base + t * ITEMS, last = first + ITEMS < p.n ? first + ITEMS : p.n;
        Sum own = nothing();
        unsigned head = 0;
        for (unsigned i = first; i < last; ++i) {
            if (q.rows[i] & COX_HEAD) {
                own = nothing();
                head = 1;
            }
            own = plus(own, row_mass(q, i, p));
        }
        scan(shared, t, own, head);
        Sum before = t == 0 ? carry : upto(shared, t - 1, carry);
        for (unsigned i = first; i < last; ++i) {
            unsigned info = q.rows[i], g = info & COX_NO_GROUP;
            if (info & COX_HEAD) before = nothing();
            if ((info & COX_EVENT) && q.groups[2 * g] == i) {
                q.risk_m[g] = before.m;
                q.risk_s[g] = (float)before.s;
            }
            before = plus(before, row_mass(q, i, p));
        }
        carry = upto(shared, GROUP - 1, carry);
        __syncthreads();
    }
}

// Terms of each group: the dying leave one share after the other, so nothing is subtracted. Leaves the
// group's part of the rate in place of what is at risk; the result is what the gradient is scaled by.
__device__ inline double terms(const Problem& q, Scan* shared, unsigned t, float* loss, Params p) {
    double nll = 0.0, events = 0.0;
    for (unsigned g = t; g < p.groups; g += GROUP) {
        unsigned first = q.groups[2 * g], end = q.groups[2 * g + 1] & ~COX_HEAD, count = 0;
        float highest = LOWEST;
        double total = 0.0;
        for (unsigned i = first; i < end; ++i) {
            float wi = p.weighted ? q.w[i] : 1.0f;
            if (wi > 0.0f) {
                count += 1;
                total += wi;
                highest = fmaxf(highest, q.h[i]);
            }
        }
        float m = q.risk_s[g] > 0.0f ? fmaxf(q.risk_m[g], highest) : highest;
        double before = q.risk_s[g] > 0.0f ? (double)q.risk_s[g] * exp_nonpositive(q.risk_m[g] - m) : 0.0;
        double dying = 0.0, centred = 0.0, logs = 0.0, all = 0.0, own = 0.0, factor = 0.0;
        if (count > 0) {
            for (unsigned i = first; i < end; ++i) {
                float wi = p.weighted ? q.w[i] : 1.0f;
                if (wi > 0.0f) {
                    dying += (double)wi * exp_nonpositive(q.h[i] - m);
                    centred += (double)wi * ((double)m - q.h[i]);
                }
            }
            unsigned steps = p.efron ? count : 1;
            factor = total / steps;
            for (unsigned r = 0; r < steps; ++r) {
                double share = (double)(steps - r) / steps, term = before + share * dying;
                logs += log(term);
                all += 1.0 / term;
                own += share / term;
            }
            nll += factor * logs + centred;
            events += total;
        }
        q.risk_m[g] = -m;
        q.risk_s[g] = (float)(factor * all);
        q.own_s[g] = (float)(factor * own);
    }
    shared->s[t] = nll;
    __syncthreads();
    nll = 0.0;
    for (unsigned j = 0; t == 0 && j < GROUP; ++j) nll += shared->s[j];
    __syncthreads();
    shared->s[t] = events;
    __syncthreads();
    events = 0.0;
    for (unsigned j = 0; j < GROUP; ++j) events += shared->s[j];
    __syncthreads();
    double scale = p.normalise && events > 0.0 ? 1.0 / events : 1.0;
    if (t == 0) {
        loss[0] = (float)(nll * scale);
        loss[1] = (float)events;
    }
    return scale;
}

// Rates, summed from the last group of each stratum.
__device__ inline void rates(const Problem& q, Scan* shared, unsigned t, Params p) {
    Sum carry = nothing();
    for (unsigned base = 0; base < p.groups; base += GROUP * ITEMS) {
        unsigned first = base + t * ITEMS, last = first + ITEMS < p.groups ? first + ITEMS : p.groups;
        Sum own = nothing();
        unsigned head = 0;
        for (unsigned r = first; r < last; ++r) {
            unsigned g = p.groups - 1 - r;
            if (q.groups[2 * g + 1] & COX_HEAD) {
                own = nothing();
                head = 1;
            }
            Sum here = {q.risk_m[g], q.risk_s[g]};
            own = plus(own, here);
        }
        scan(shared, t, own, head);
        Sum later = t == 0 ? carry : upto(shared, t - 1, carry);
        for (unsigned r = first; r < last; ++r) {
            unsigned g = p.groups - 1 - r;
            if (q.groups[2 * g + 1] & COX_HEAD) later = nothing();
            Sum here = {q.risk_m[g], q.risk_s[g]};
            later = plus(later, here);
            q.rate_m[g] = later.m;
            q.rate_s[g] = (float)later.s;
        }
        carry = upto(shared, GROUP - 1, carry);
        __syncthreads();
    }
}

// Gradient of a row that feels `rate`, less its own event.
__device__ inline void write_gradient(const Problem& q, unsigned i, Sum rate, double scale, Params p) {
    float wi = p.weighted ? q.w[i] : 1.0f;
    double felt = wi > 0.0f && rate.s != 0.0 ? (double)wi * rate.s * exp_nonpositive(q.h[i] + rate.m) : 0.0;
    double died = (q.rows[i] & COX_EVENT) && wi > 0.0f ? wi : 0.0;
    q.out[i] = (float)(scale * (felt - died));
}

// work: [B, 5, G].
extern "C" __global__ void cox_nll(const unsigned* rows, const unsigned* groups, const float* score,
                                   const float* weight, float* gradient, float* loss, float* work, Params p) {
    __shared__ Scan shared;
    unsigned k = blockIdx.y * gridDim.x + blockIdx.x, t = threadIdx.x;
    if (k >= p.problems) return;
    work += (size_t)k * 5 * p.groups;
    Problem q = problem(rows, groups, score, weight, gradient, work, k, p);
    risks(q, &shared, t, p);
    double scale = terms(q, &shared, t, loss + 2 * k, p);
    rates(q, &shared, t, p);
    for (unsigned i = t; i < p.n; i += GROUP) {
        unsigned info = rows[i], g = info & COX_NO_GROUP;
        Sum rate = nothing();
        if (g != COX_NO_GROUP && !(info & COX_EVENT)) {
            rate.m = q.rate_m[g];
            rate.s = q.rate_s[g];
        } else if (g != COX_NO_GROUP) {
            rate.m = q.risk_m[g];
            rate.s = q.own_s[g];
            if (!(groups[2 * g + 1] & COX_HEAD)) {
                Sum later = {q.rate_m[g + 1], q.rate_s[g + 1]};
                rate = plus(rate, later);
            }
        }
        write_gradient(q, i, rate, scale, p);
    }
}

// With left truncation a row is at risk from one group to another, and nothing may be subtracted: such a stretch is
// a few nodes of a binary tree over the groups. tree: [N, 2] the stretch of each row, the first segment of each node
// and an end, the first row of each segment and an end, and the rows; work: [B, 5 G + 2 (segments + 2 leaves)].
extern "C" __global__ void cox_nll_truncated(const unsigned* rows, const unsigned* groups, const float* score,
                                             const float* weight, float* gradient, float* loss, float* work,
                                             const unsigned* tree, Params p) {
    __shared__ Scan shared;
    unsigned k = blockIdx.y * gridDim.x + blockIdx.x, t = threadIdx.x, nodes = 2 * p.leaves;
    if (k >= p.problems) return;
    work += (size_t)k * (5 * p.groups + 2 * (p.segments + nodes));
    Problem q = problem(rows, groups, score, weight, gradient, work, k, p);
    float *segment_m = work + 5 * p.groups, *segment_s = segment_m + p.segments;
    float *node_m = segment_s + p.segments, *node_s = node_m + nodes;
    const unsigned *first_segment = tree + 2 * p.n, *first_row = first_segment + nodes + 1;
    const unsigned* listed = first_row + p.segments + 1;

    for (unsigned s = t; s < p.segments; s += GROUP) {
        Sum sum = nothing();
        for (unsigned r = first_row[s]; r < first_row[s + 1]; ++r) sum = plus(sum, row_mass(q, listed[r], p));
        segment_m[s] = sum.m;
        segment_s[s] = (float)sum.s;
    }
    __syncthreads();
    for (unsigned node = t; node < nodes; node += GROUP) {
        Sum sum = nothing();
        for (unsigned s = first_segment[node]; s < first_segment[node + 1]; ++s) {
            Sum here = {segment_m[s], segment_s[s]};
            sum = plus(sum, here);
        }
        node_m[node] = sum.m;
        node_s[node] = (float)sum.s;
    }
    __syncthreads();
    for (unsigned g = t; g < p.groups; g += GROUP) {
        Sum sum = nothing();
        for (unsigned node = p.leaves + g; node > 0; node >>= 1) {
            Sum here = {node_m[node], node_s[node]};
            sum = plus(sum, here);
        }
        q.risk_m[g] = sum.m;
        q.risk_s[g] = (float)sum.s;
    }
    __syncthreads();
    double scale = terms(q, &shared, t, loss + 2 * k, p);

    for (unsigned g = t; g < p.leaves; g += GROUP) {
        bool inside = g < p.groups;
        node_m[p.leaves + g] = inside ? q.risk_m[g] : LOWEST;
        node_s[p.leaves + g] = inside ? q.risk_s[g] : 0.0f;
    }
    __syncthreads();
    for (unsigned level = p.leaves >> 1; level > 0; level >>= 1) {
        for (unsigned node = level + t; node < 2 * level; node += GROUP) {
            Sum low = {node_m[2 * node], node_s[2 * node]}, high = {node_m[2 * node + 1], node_s[2 * node + 1]};
            low = plus(low, high);
            node_m[node] = low.m;
            node_s[node] = (float)low.s;
        }
        __syncthreads();
    }
    for (unsigned i = t; i < p.n; i += GROUP) {
        unsigned info = rows[i];
        Sum rate = nothing();
        if (info & COX_EVENT) {
            rate.m = q.risk_m[info & COX_NO_GROUP];
            rate.s = q.own_s[info & COX_NO_GROUP];
        }
        for (unsigned l = p.leaves + tree[2 * i], r = p.leaves + tree[2 * i + 1]; l < r; l >>= 1, r >>= 1) {
            if (l & 1) {
                Sum here = {node_m[l], node_s[l]};
                rate = plus(rate, here);
                ++l;
            }
            if (r & 1) {
                --r;
                Sum here = {node_m[r], node_s[r]};
                rate = plus(rate, here);
            }
        }
        write_gradient(q, i, rate, scale, p);
    }
}
