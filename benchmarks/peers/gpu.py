"""What PyTorch does on the same GPU, a line of JSON each; says so and ends well where there is none."""

import json
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit(print("PyTorch cannot be imported: its figures are left out", file=sys.stderr))
if not torch.cuda.is_available():
    sys.exit(print("PyTorch sees no CUDA device: its figures are left out", file=sys.stderr))

WIDTHS, DROPOUT, RATE, L2 = (9, 42, 42, 42, 1), 0.0344, 2.007e-3, 4.659


def seconds(run):
    """The least of five, each of as many runs as fill a tenth of a second."""

    def timed(times):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(times):
            run()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    timed(3)
    times = 1
    while timed(times) < 0.1 and times < 4096:
        times *= 2
    return min(timed(times) / times for _ in range(5))


def say(what, s, **more):
    name = f"torch {torch.__version__}, {torch.cuda.get_device_name()}"
    print(json.dumps({"device": name, "what": what, "ms": 1e3 * s, "more": more}), flush=True)


def copy():
    x = torch.ones(1 << 27, device="cuda")
    y = torch.empty_like(x)
    s = seconds(lambda: y.copy_(x))
    say("copy", s, gb_per_s=8 * x.numel() / s / 1e9)


def gemm():
    for name, dtype, tf32 in (("f32", torch.float32, False), ("tf32", torch.float32, True), ("f16", torch.float16, True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.ones(*shape, device="cuda", dtype=dtype) for shape in ((16384, 512), (512, 512)))
        s = seconds(lambda: a @ b)
        say(f"matmul {name}, 16384 x 512 x 512", s, gflop_per_s=2 * 16384 * 512 * 512 / s / 1e9)
    torch.backends.cuda.matmul.allow_tf32 = False


def cox():
    score = torch.randn(4096, 2048, device="cuda", requires_grad=True)
    event = (torch.rand(2048, device="cuda") < 0.53).float()

    def run():
        nll = ((torch.logcumsumexp(score, 1) - score) * event).sum() / event.sum()
        torch.autograd.grad(nll, score)

    say("cox loss and gradient without ties, 4096 x 2048", seconds(run))


def slides():
    x = torch.randn(5000, 1536, device="cuda").half()

    def pool():
        wide = x.float()
        return wide.mean(0), wide.var(0, unbiased=False), x.amax(0), x.amin(0)

    s = seconds(pool)
    say("pool t5000_d1536_f16", s, gb_per_s=2 * x.numel() / s / 1e9)
    x = x[:4096]
    shift = x[:32].float().mean(0)

    def gram():
        centred = x.float() - shift
        return centred.T @ centred

    # In f32, which is what Osteon's products keep; and of the halves as they are.
    s = seconds(gram)
    say("gram t4096_d1536_f16_in_f32", s, gflop_per_s=2 * 4096 * 1536**2 / s / 1e9)
    s = seconds(lambda: x.T @ x)
    say("matmul f16, 1536 x 4096 x 1536", s, gflop_per_s=2 * 4096 * 1536**2 / s / 1e9)


def concordance(n=100_000, rows=4096):
    time_, score = torch.randint(3000, (n,), device="cuda"), torch.randn(n, device="cuda")
    event = torch.rand(n, device="cuda") < 0.5

    def count():
        found = torch.zeros(3, dtype=torch.int64, device="cuda")
        for at in range(0, n, rows):
            t, s, e = (v[at : at + rows, None] for v in (time_, score, event))
            comparable = e & ((t < time_) | ((t == time_) & ~event))
            for k, pairs in enumerate((s > score, s < score, s == score)):
                found[k] += (comparable & pairs).sum()
        return found

    say("c_index n1e5", seconds(count))


def moments():
    z, w = torch.randn(1 << 17, 64, device="cuda"), torch.ones(1 << 17, 1, device="cuda")

    def run():
        total = w.sum()
        mean = (w * z).sum(0) / total
        return mean, (w * (z - mean) ** 2).sum(0) / total

    say("moments n131072_h64", seconds(run))


def networks(problems):
    layers = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
        w = ((torch.rand(problems, inputs, outputs, device="cuda") - 0.5) * 0.5).requires_grad_()
        layers.append((w, torch.zeros(problems, 1, outputs, device="cuda", requires_grad=True)))
    adam = torch.optim.Adam([p for layer in layers for p in layer], lr=RATE, fused=True)
    x = torch.randn(1523, 9, device="cuda").expand(problems, 1523, 9)
    event = (torch.rand(1523, device="cuda") < 0.58).float()

    def epoch():
        adam.zero_grad()
        h = x
        for w, b in layers[:-1]:
            h = F.dropout(F.selu(torch.baddbmm(b, h, w)), DROPOUT)
        w, b = layers[-1]
        score = torch.baddbmm(b, h, w).squeeze(2)
        nll = ((torch.logcumsumexp(score, 1) - score) * event).sum() / event.sum()
        (nll + L2 * w.square().sum()).backward()
        adam.step()

    return epoch


if __name__ == "__main__":
    copy()
    gemm()
    cox()
    moments()
    slides()
    concordance()
    say("METABRIC epoch, 1000 networks, batched", seconds(networks(1000)))
    say("METABRIC epoch, 1 network, times 1000 when looped", seconds(networks(1)))
