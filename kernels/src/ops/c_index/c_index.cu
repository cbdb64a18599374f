struct Params {
    unsigned rows, first, events;
};

// Counts, for each event, the later patients of a lower and of the same risk: patients lie from the last
// time to the first, so that the later ones are those before `until`. key: [B, rows], a piece of the patients
// from `first` on; own, until: [B, E] and [E], the risk of each event and where its later patients end,
// ascending. count: [B, chunks, groups, 2].
extern "C" __global__ void c_index(const unsigned* key, const unsigned* own, const unsigned* until,
                                   unsigned* count, Params p) {
    __shared__ unsigned keys[GROUP], lower[GROUP], same[GROUP];
    unsigned t = threadIdx.x, k = blockIdx.z, group = blockIdx.x * C_INDEX_EACH * GROUP;
    unsigned mine[C_INDEX_EACH], end[C_INDEX_EACH], least = ~0u, below = 0, tied = 0;
#pragma unroll
    for (unsigned r = 0; r < C_INDEX_EACH; ++r) {
        unsigned e = group + r * GROUP + t;
        bool inside = e < p.events;
        mine[r] = inside ? own[(size_t)k * p.events + e] : 0;
        end[r] = inside && until[e] > p.first ? until[e] - p.first : 0;
        least = end[r] < least ? end[r] : least;
    }
    unsigned last = group + C_INDEX_EACH * GROUP < p.events ? group + C_INDEX_EACH * GROUP : p.events;
    unsigned stop = (blockIdx.y + 1) * C_INDEX_CHUNK < p.rows ? (blockIdx.y + 1) * C_INDEX_CHUNK : p.rows;
    // The last event of the group has the most later patients.
    unsigned most = until[last - 1] > p.first ? until[last - 1] - p.first : 0;
    stop = stop < most ? stop : most;
    for (unsigned base = blockIdx.y * C_INDEX_CHUNK; base < stop; base += GROUP) {
        if (base + t < p.rows) keys[t] = key[(size_t)k * p.rows + base + t];
        __syncthreads();
        if (least >= base + GROUP) {
#pragma unroll 8
            for (unsigned i = 0; i < GROUP; ++i) {
                unsigned other = keys[i];
#pragma unroll
                for (unsigned r = 0; r < C_INDEX_EACH; ++r) {
                    below += other < mine[r];
                    tied += other == mine[r];
                }
            }
        } else {
#pragma unroll
            for (unsigned r = 0; r < C_INDEX_EACH; ++r) {
                unsigned here = end[r] > base ? end[r] - base : 0;
                for (unsigned i = 0; i < GROUP && i < here; ++i) {
                    below += keys[i] < mine[r];
                    tied += keys[i] == mine[r];
                }
            }
        }
        __syncthreads();
    }
    lower[t] = below;
    same[t] = tied;
    __syncthreads();
    for (unsigned d = GROUP / 2; d > 0; d >>= 1) {
        if (t < d) {
            lower[t] += lower[t + d];
            same[t] += same[t + d];
        }
        __syncthreads();
    }
    if (t == 0) {
        unsigned* out = count + 2 * ((k * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x);
        out[0] = lower[0];
        out[1] = same[0];
    }
}
