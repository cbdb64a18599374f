"""DeepSurv on the METABRIC shape, time per model and epoch, one thread: deepsurv.py DIR SECONDS.

42 x 3 SELU units, dropout 0.0344, Adam, full batch, risk order. The torch lines are written by hand
as well as torch allows (batched products, presorted loss without ties, fused Adam).
"""

import clock  # first: it sets the thread counts

import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchtuples as tt
from pycox.models import CoxPH

torch.set_num_threads(1)
WIDTHS, DROPOUT, RATE, L2 = (9, 42, 42, 42, 1), 0.0344, 2.007e-3, 4.659


def batched(x, event, problems):
    """One epoch of `problems` networks at once."""
    layers = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
        limit = (6 / (inputs + outputs)) ** 0.5
        w = ((torch.rand(problems, inputs, outputs) * 2 - 1) * limit).requires_grad_()
        layers.append((w, torch.zeros(problems, 1, outputs, requires_grad=True)))
    adam = torch.optim.Adam([p for layer in layers for p in layer], lr=RATE, fused=True)
    first = x.expand(problems, *x.shape)

    def epoch():
        adam.zero_grad()
        h = first
        for w, b in layers[:-1]:
            h = F.dropout(F.selu(torch.baddbmm(b, h, w)), DROPOUT)
        w, b = layers[-1]
        score = torch.baddbmm(b, h, w).squeeze(2)
        nll = ((torch.logcumsumexp(score, 1) - score) * event).sum() / event.sum()
        (nll + L2 * w.square().sum()).backward()
        adam.step()

    return epoch


def pycox(x, time, event):
    """Twenty epochs of pycox's own training loop."""
    layers = []
    for inputs, outputs in zip(WIDTHS[:-2], WIDTHS[1:-1]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.SELU(), torch.nn.Dropout(DROPOUT)]
    net = torch.nn.Sequential(*layers, torch.nn.Linear(42, 1, bias=False))
    model = CoxPH(net, tt.optim.Adam(RATE))
    target = (time.astype(np.float32), event.astype(np.float32))
    return lambda: model.fit(x, target, batch_size=len(x), epochs=20, verbose=False)


if __name__ == "__main__":
    inputs, budget = sys.argv[1], float(sys.argv[2])
    time, event, x = clock.columns(inputs, "deepsurv", "x.f64", "<f8")
    x = x.reshape(len(time), -1).astype(np.float32)
    order = np.argsort(-time, kind="stable")
    rows, events = torch.tensor(x[order]), torch.tensor(event[order]).float()
    clock.measure("deepsurv_b1", "torch by hand", budget, batched(rows, events, 1))
    clock.measure("deepsurv_b100", "torch bmm by hand", budget, batched(rows, events, 100), per=100)
    clock.measure("deepsurv_b100", "pycox, one by one", budget, pycox(x, time, event), per=20)
