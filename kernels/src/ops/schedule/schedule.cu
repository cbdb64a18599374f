struct Params {
    unsigned problems, steps;
    unsigned n, weighted;
};

// One group: the losses of this step are kept, the rows of the next one brought. The clock moves last.
extern "C" __global__ void schedule_next(const unsigned* schedule, const float* loss, unsigned* step,
                                         float* losses, unsigned* clock, Params p) {
    unsigned t = clock[0];
    __syncthreads();
    for (unsigned i = threadIdx.x; i < 2 * p.problems; i += GROUP) losses[2 * p.problems * t + i] = loss[i];
    for (unsigned i = threadIdx.x; t + 1 < p.steps && i < STEP_WORDS * p.problems; i += GROUP)
        step[i] = schedule[STEP_WORDS * p.problems * (t + 1) + i];
    if (threadIdx.x == 0) clock[0] = t + 1;
}

extern "C" __global__ void schedule_weights(const unsigned* step, const unsigned* part, const float* weight,
                                            float* chosen, Params p) {
    unsigned e = element();
    if (e < p.problems * p.n) {
        bool here = part[e] == step[STEP_WORDS * (e / p.n) + STEP_PART];
        chosen[e] = here ? (p.weighted ? weight[e] : 1.0f) : 0.0f;
    }
}
