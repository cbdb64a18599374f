struct Params {
    problems: u32,
    steps: u32,
    n: u32,
    weighted: u32,
}

@group(0) @binding(0) var<uniform> p: Params;

@group(0) @binding(1) var<storage, read> next_schedule: array<u32>;
@group(0) @binding(2) var<storage, read> next_loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> next_step: array<u32>;
@group(0) @binding(4) var<storage, read_write> next_losses: array<f32>;
@group(0) @binding(5) var<storage, read_write> next_clock: array<u32>;

// One group: the losses of this step are kept, the rows of the next one brought. The clock moves last.
@compute @workgroup_size(GROUP)
fn schedule_next(@builtin(local_invocation_index) thread: u32) {
    let t = next_clock[0];
    storageBarrier();
    for (var i = thread; i < 2u * p.problems; i += GROUP) {
        next_losses[2u * p.problems * t + i] = next_loss[i];
    }
    if (t + 1u < p.steps) {
        for (var i = thread; i < STEP_WORDS * p.problems; i += GROUP) {
            next_step[i] = next_schedule[STEP_WORDS * p.problems * (t + 1u) + i];
        }
    }
    if (thread == 0u) {
        next_clock[0] = t + 1u;
    }
}

@group(0) @binding(1) var<storage, read> weights_step: array<u32>;
@group(0) @binding(2) var<storage, read> weights_part: array<u32>;
@group(0) @binding(3) var<storage, read> weights_weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights_chosen: array<f32>;

@compute @workgroup_size(GROUP)
fn schedule_weights(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let e = element(group, groups, thread);
    if (e < p.problems * p.n) {
        var w = 1.0f;
        if (p.weighted != 0u) {
            w = weights_weight[e];
        }
        let here = weights_part[e] == weights_step[STEP_WORDS * (e / p.n) + STEP_PART];
        weights_chosen[e] = select(0.0f, w, here);
    }
}
