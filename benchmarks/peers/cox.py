"""Cox loss and gradient in the score, one thread: cox.py DIR SECONDS.

pycox and the batched torch line ignore ties, which is less work than Efron's; the compiled loop and
torchsurv treat them as Osteon does. Rows come in risk order, so nobody but torchsurv sorts.
"""

import clock  # first: it sets the thread counts

import sys
import warnings

import numba
import numpy as np
import torch
from pycox.models.loss import cox_ph_loss_sorted
from torchsurv.loss import cox as torchsurv_cox

torch.set_num_threads(1)
# torchsurv warns of ties at every call.
warnings.filterwarnings("ignore")


@numba.njit
def efron(score, event, time, mass, first, second, gradient):
    """Mean loss and gradient in f64 of rows by descending time; three buffers of N."""
    n = len(score)
    top = score.max()
    total, loss, events, start = 0.0, 0.0, 0, 0
    while start < n:
        end, tied, deaths = start, 0.0, 0
        while end < n and time[end] == time[start]:
            mass[end] = np.exp(score[end] - top)
            total += mass[end]
            if event[end]:
                tied += mass[end]
                deaths += 1
                loss -= score[end] - top
            end += 1
        a, b = 0.0, 0.0
        for r in range(deaths):
            part = r / deaths
            rest = total - part * tied
            loss += np.log(rest)
            a += 1.0 / rest
            b += part / rest
        for i in range(start, end):
            first[i], second[i] = 0.0, b
        first[start] = a
        events += deaths
        start = end
    # The sum for a group takes in its own events, so walk group by group from the earliest.
    sum_a, i = 0.0, n - 1
    while i >= 0:
        start = i
        while start > 0 and time[start - 1] == time[i]:
            start -= 1
        sum_a += first[start]
        for j in range(start, i + 1):
            gradient[j] = mass[j] * (sum_a - second[j] * event[j]) / events - event[j] / events
        i = start - 1
    return loss / events


def torchsurv(h, event, time):
    return torchsurv_cox.neg_partial_log_likelihood(h, event, time, ties_method="efron", reduction="sum")


def with_gradient(score, loss):
    """Clears the gradient, forward and backward."""

    def work():
        score.grad = None
        loss(score).backward()

    return work


def one(name, directory, seconds, torch_too):
    time, event, score = clock.columns(directory, name, "score.f32", "<f4")
    buffers = [np.empty(len(score)) for _ in range(4)]
    wide = score.astype(np.float64)
    clock.measure(name, "compiled Efron loop", seconds, lambda: efron(wide, event, time, *buffers))
    if not torch_too:
        return
    h = torch.tensor(score, requires_grad=True)
    e, flags, t = torch.tensor(event).float(), torch.tensor(event), torch.tensor(time)
    clock.measure(name, "pycox presorted (no ties)", seconds, with_gradient(h, lambda h: cox_ph_loss_sorted(h, e)))

    mine, theirs = efron(wide, event, time, *buffers) * event.sum(), torchsurv(h, flags, t).item()
    assert abs(mine - theirs) < 1e-3 * abs(mine), f"{name}: the loops disagree, {mine} and {theirs}"
    clock.measure(name, "torchsurv Efron", seconds, with_gradient(h, lambda h: torchsurv(h, flags, t)))


def many(name, directory, seconds):
    time, event, score = clock.columns(directory, name, "score.f32", "<f4")
    n = len(time)
    rows = score.reshape(-1, n)
    buffers = [np.empty(n) for _ in range(4)]
    wide = rows.astype(np.float64)

    def loop():
        for row in wide:
            efron(row, event, time, *buffers)

    clock.measure(name, "compiled Efron loop", seconds, loop)
    h = torch.tensor(rows.copy(), requires_grad=True)
    e, flags, t = torch.tensor(event).float(), torch.tensor(event), torch.tensor(time)
    batched = with_gradient(h, lambda h: ((torch.logcumsumexp(h, 1) - h) * e).sum())
    clock.measure(name, "torch batched (no ties)", seconds, batched)
    single = [torch.tensor(row, requires_grad=True) for row in rows]

    def loop_torchsurv():
        for h in single:
            h.grad = None
            torchsurv(h, flags, t).backward()

    clock.measure(name, "torchsurv Efron loop", seconds, loop_torchsurv)


if __name__ == "__main__":
    inputs, budget = sys.argv[1], float(sys.argv[2])
    for size in ("1e4", "1e6"):
        for times in ("ties", "continuous"):
            one(f"cox_{size}_{times}", inputs, budget, torch_too=True)
        # The 1e-7 that pycox adds inside its logarithm matters at this spread: the loop alone is timed.
        one(f"cox_{size}_ties_sd40", inputs, budget, torch_too=False)
    for times in ("ties", "continuous"):
        many(f"cox_256x2048_{times}", inputs, budget)
