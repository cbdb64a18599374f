// One group of threads per problem. Sums are pairs (m, s) worth s e^m, so that no range of scores is
// too wide, and only positive numbers are ever added; s is a double. Every order of addition is fixed.
#define ITEMS 8u
#define LOWEST -3.0e38f

struct Params {
    unsigned problems, n, groups, efron, normalise, weighted;
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

// rows: [N] group of events that the row is in or before, and its flags; groups: [G, 2] first row, and
// end with COX_HEAD set on the last group of a stratum; work: [B, 5, G].
extern "C" __global__ void cox_nll(const unsigned* rows, const unsigned* groups, const float* score,
                                   const float* weight, float* gradient, float* loss, float* work, Params p) {
    __shared__ Scan shared;
    unsigned k = blockIdx.y * gridDim.x + blockIdx.x, t = threadIdx.x;
    if (k >= p.problems) return;
    const float* h = score + (size_t)k * p.n;
    const float* w = weight + (size_t)k * p.n;
    float* out = gradient + (size_t)k * p.n;
    float* risk_m = work + (size_t)k * 5 * p.groups;
    float* risk_s = risk_m + p.groups;
    float* own_s = risk_s + p.groups;
    float* rate_m = own_s + p.groups;
    float* rate_s = rate_m + p.groups;

    // What is at risk before the first event of each group.
    Sum carry = nothing();
    for (unsigned base = 0; base < p.n; base += GROUP * ITEMS) {
        unsigned first = base + t * ITEMS, last = first + ITEMS < p.n ? first + ITEMS : p.n;
        Sum own = nothing();
        unsigned head = 0;
        for (unsigned i = first; i < last; ++i) {
            if (rows[i] & COX_HEAD) {
                own = nothing();
                head = 1;
            }
            own = plus(own, mass(h[i], p.weighted ? w[i] : 1.0f));
        }
        scan(&shared, t, own, head);
        Sum before = t == 0 ? carry : upto(&shared, t - 1, carry);
        for (unsigned i = first; i < last; ++i) {
            unsigned info = rows[i], g = info & COX_NO_GROUP;
            if (info & COX_HEAD) before = nothing();
            if ((info & COX_EVENT) && groups[2 * g] == i) {
                risk_m[g] = before.m;
                risk_s[g] = (float)before.s;
            }
            before = plus(before, mass(h[i], p.weighted ? w[i] : 1.0f));
        }
        carry = upto(&shared, GROUP - 1, carry);
        __syncthreads();
    }

    // Terms of each group: the dying leave one share after the other, so nothing is subtracted.
    double nll = 0.0, events = 0.0;
    for (unsigned g = t; g < p.groups; g += GROUP) {
        unsigned first = groups[2 * g], end = groups[2 * g + 1] & ~COX_HEAD, count = 0;
        float highest = LOWEST;
        double total = 0.0;
        for (unsigned i = first; i < end; ++i) {
            float wi = p.weighted ? w[i] : 1.0f;
            if (wi > 0.0f) {
                count += 1;
                total += wi;
                highest = fmaxf(highest, h[i]);
            }
        }
        float m = risk_s[g] > 0.0f ? fmaxf(risk_m[g], highest) : highest;
        double before = risk_s[g] > 0.0f ? (double)risk_s[g] * exp_nonpositive(risk_m[g] - m) : 0.0;
        double dying = 0.0, centred = 0.0, logs = 0.0, all = 0.0, own = 0.0, factor = 0.0;
        if (count > 0) {
            for (unsigned i = first; i < end; ++i) {
                float wi = p.weighted ? w[i] : 1.0f;
                if (wi > 0.0f) {
                    dying += (double)wi * exp_nonpositive(h[i] - m);
                    centred += (double)wi * ((double)m - h[i]);
                }
            }
            unsigned terms = p.efron ? count : 1;
            factor = total / terms;
            for (unsigned r = 0; r < terms; ++r) {
                double share = (double)(terms - r) / terms, term = before + share * dying;
                logs += log(term);
                all += 1.0 / term;
                own += share / term;
            }
            nll += factor * logs + centred;
            events += total;
        }
        risk_m[g] = -m;
        risk_s[g] = (float)(factor * all);
        own_s[g] = (float)(factor * own);
    }
    shared.s[t] = nll;
    __syncthreads();
    nll = 0.0;
    for (unsigned j = 0; t == 0 && j < GROUP; ++j) nll += shared.s[j];
    __syncthreads();
    shared.s[t] = events;
    __syncthreads();
    events = 0.0;
    for (unsigned j = 0; j < GROUP; ++j) events += shared.s[j];
    __syncthreads();
    double scale = p.normalise && events > 0.0 ? 1.0 / events : 1.0;
    if (t == 0) {
        loss[2 * k] = (float)(nll * scale);
        loss[2 * k + 1] = (float)events;
    }

    // Rates, summed from the last group of each stratum.
    carry = nothing();
    for (unsigned base = 0; base < p.groups; base += GROUP * ITEMS) {
        unsigned first = base + t * ITEMS, last = first + ITEMS < p.groups ? first + ITEMS : p.groups;
        Sum own = nothing();
        unsigned head = 0;
        for (unsigned q = first; q < last; ++q) {
            unsigned g = p.groups - 1 - q;
            if (groups[2 * g + 1] & COX_HEAD) {
                own = nothing();
                head = 1;
            }
            Sum here = {risk_m[g], risk_s[g]};
            own = plus(own, here);
        }
        scan(&shared, t, own, head);
        Sum later = t == 0 ? carry : upto(&shared, t - 1, carry);
        for (unsigned q = first; q < last; ++q) {
            unsigned g = p.groups - 1 - q;
            if (groups[2 * g + 1] & COX_HEAD) later = nothing();
            Sum here = {risk_m[g], risk_s[g]};
            later = plus(later, here);
            rate_m[g] = later.m;
            rate_s[g] = (float)later.s;
        }
        carry = upto(&shared, GROUP - 1, carry);
        __syncthreads();
    }

    for (unsigned i = t; i < p.n; i += GROUP) {
        unsigned info = rows[i], g = info & COX_NO_GROUP;
        float wi = p.weighted ? w[i] : 1.0f;
        double felt = 0.0;
        if (g != COX_NO_GROUP && wi > 0.0f) {
            Sum rate = {rate_m[g], rate_s[g]};
            if (info & COX_EVENT) {
                Sum own = {risk_m[g], own_s[g]};
                Sum later = nothing();
                if (!(groups[2 * g + 1] & COX_HEAD)) {
                    later.m = rate_m[g + 1];
                    later.s = rate_s[g + 1];
                }
                rate = plus(own, later);
            }
            felt = (double)wi * rate.s * exp_nonpositive(h[i] + rate.m);
        }
        double died = (info & COX_EVENT) && wi > 0.0f ? wi : 0.0;
        out[i] = (float)(scale * (felt - died));
    }
}
