"""NumPy, h5py and scikit-learn on slide embeddings: `slides.py --write DIR`, then `slides.py DIR SECONDS [THREADS]`.
`slides.py DIR pca THREADS` fits 128 components to 1.03 million tiles, streamed from one file that is read 52 times over.

`slides.py attention SECONDS [THREADS]` times attention pooling alone. Needs numpy, h5py and scikit-learn (not among the
other peers' requirements); torch is timed where it is installed.
"""

import os
import pathlib
import resource
import sys

threads = sys.argv[3] if len(sys.argv) > 3 else "1"
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = threads

import json
import statistics
import time

import numpy as np

TILES, WIDTH = 20_000, 1536


def write(directory):
    """A slide of TILES tiles in five layouts; columns up to 17 standard deviations from zero."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((TILES, WIDTH), dtype="f4")
    x += rng.standard_normal((TILES, 64), dtype="f4") @ rng.standard_normal((64, WIDTH), dtype="f4") * 0.2
    x += np.linspace(-3, 17, WIDTH, dtype="f4")
    x = x.astype("f2")
    import h5py

    directory.mkdir(parents=True, exist_ok=True)
    np.save(directory / "tiles.npy", x)
    for name, options in (
        ("contiguous", {}),
        ("chunk1", {"chunks": (1, WIDTH), "maxshape": (None, WIDTH)}),
        ("latest", {"chunks": (1, WIDTH), "maxshape": (None, WIDTH)}),
        ("gzip", {"chunks": (512, WIDTH), "compression": "gzip", "shuffle": True}),
    ):
        with h5py.File(directory / f"{name}.h5", "w", libver="latest" if name == "latest" else None) as f:
            part = x[:5000] if name in ("gzip", "latest") else x
            f.create_dataset("features", data=part, **options).attrs["encoder"] = "generated"


def measure(what, who, seconds, work, gbyte=None, gflop=None, per=1):
    """Median wall and CPU time, in milliseconds per `per`, over about `seconds` of CPU time."""
    work()
    wall, cpu, begun = [], [], time.process_time()
    while len(cpu) < 3 or time.process_time() - begun < seconds:
        start, used = time.perf_counter(), time.process_time()
        work()
        cpu.append((time.process_time() - used) * 1e3 / per)
        wall.append((time.perf_counter() - start) * 1e3 / per)
    line = {"what": what, "who": f"{who}, {threads} threads", "wall_ms": statistics.median(wall)}
    line |= {"cpu_ms": statistics.median(cpu), "wall_min_ms": min(wall), "cpu_min_ms": min(cpu), "samples": len(cpu)}
    if gbyte:
        line["gbyte_per_s"] = gbyte / per / (min(cpu) * 1e-3)
    if gflop:
        line["gflop_per_s"] = gflop / per / (min(cpu) * 1e-3)
    print(json.dumps(line), flush=True)


def read(path):
    import h5py

    with h5py.File(path) as f:
        data = f["features"]
        out = np.empty(data.shape, data.dtype)
        data.read_direct(out)
    return out


def pool(x):
    x = x.astype("f4")
    return x.mean(0), x.std(0), x.max(0)


def attention(seconds):
    """A bag of 5000 tiles through gated attention pooling (1536, 512, 256), forwards and backwards."""
    rng = np.random.default_rng(2)
    bag, hidden, gate = 5000, 512, 256
    x = rng.standard_normal((bag, WIDTH), dtype="f4")
    normal = lambda *shape: rng.standard_normal(shape, dtype="f4") * np.float32(0.05)
    w, v, u, a, pull = normal(hidden, WIDTH), normal(gate, hidden), normal(gate, hidden), normal(gate), normal(hidden)
    first, gates = WIDTH * hidden, 2 * gate * hidden
    gflop = 2e-9 * bag * (2 * first + 3 * gates)
    both, g = np.vstack([v, u]), normal(bag, 2 * gate)
    out_h, out_g, out_w, out_v = (np.empty(s, "f4") for s in ((bag, hidden), (bag, 2 * gate), w.shape, both.shape))

    def products():
        np.matmul(x, w.T, out=out_h)
        np.matmul(out_h, both.T, out=out_g)
        np.matmul(g, both, out=out_h)
        np.matmul(g.T, out_h, out=out_v)
        np.matmul(out_h.T, x, out=out_w)

    measure("attention_products", "numpy (sgemm alone)", seconds, products, gflop=gflop)

    def step():
        h = np.maximum(x @ w.T, 0)
        tanh, sigmoid = np.tanh(h @ v.T), 1 / (1 + np.exp(-(h @ u.T)))
        logit = (tanh * sigmoid) @ a
        p = np.exp(logit - logit.max())
        p /= p.sum()
        slope = p * (h @ pull - pull @ (p @ h))
        dv = slope[:, None] * a * sigmoid * (1 - tanh * tanh)
        du = slope[:, None] * a * tanh * sigmoid * (1 - sigmoid)
        dh = (np.outer(p, pull) + dv @ v + du @ u) * (h > 0)
        return dh.T @ x, dh.sum(0), dv.T @ h, du.T @ h, slope @ (tanh * sigmoid)

    measure("attention_forward_backward", "numpy", seconds, step, gflop=gflop)
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(int(threads))
    of = lambda array: torch.from_numpy(array).requires_grad_()
    tx, tw, tv, tu, ta, tp = torch.from_numpy(x), of(w), of(v), of(u), of(a), torch.from_numpy(pull)

    def torch_step():
        h = torch.relu(tx @ tw.T)
        logit = (torch.tanh(h @ tv.T) * torch.sigmoid(h @ tu.T)) @ ta
        (torch.softmax(logit, 0) @ h @ tp).backward()

    measure("attention_forward_backward", f"torch {torch.__version__}", seconds, torch_step, gflop=gflop)


def pca(directory):
    start, used, tiles = time.perf_counter(), time.process_time(), 0
    total, sums, shift = np.zeros((WIDTH, WIDTH)), np.zeros(WIDTH), None
    for _ in range(52):
        half = read(directory / "contiguous.h5")
        for first in range(0, len(half), 5000):
            block = half[first : first + 5000].astype("f4")
            if shift is None:
                shift = block.mean(0)
            block -= shift
            total += block.T @ block
            sums += block.sum(0, dtype="f8")
        tiles += len(half)
    mean = sums / tiles
    np.linalg.eigh((total - tiles * np.outer(mean, mean)) / (tiles - 1))
    line = {"what": "slides_pca_128_of_1_million", "who": f"numpy streamed, {threads} threads", "samples": 1}
    line |= {"wall_ms": (time.perf_counter() - start) * 1e3, "cpu_ms": (time.process_time() - used) * 1e3}
    print(json.dumps(line | {"peak_mbyte": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1e-3}), flush=True)


def main():
    directory = pathlib.Path(sys.argv[1] if sys.argv[1] != "--write" else sys.argv[2])
    if sys.argv[1] == "--write":
        return write(directory)
    if sys.argv[2] == "pca":
        return pca(directory)
    seconds = float(sys.argv[2])
    attention(seconds)
    if sys.argv[1] == "attention":
        return
    size = TILES * WIDTH * 2e-9
    small = 5000 * WIDTH * 2e-9
    for what, name, gbyte in (
        ("slides_read_contiguous_f16", "contiguous", size),
        ("slides_read_chunk_per_tile_f16", "chunk1", size),
        ("slides_read_chunk_per_tile_latest_f16", "latest", small),
        ("slides_read_gzip_f16", "gzip", small),
    ):
        measure(what, "h5py", seconds, lambda: read(directory / f"{name}.h5"), gbyte=gbyte)
    measure("slides_pool_contiguous_f16", "h5py and numpy", seconds, lambda: pool(read(directory / "contiguous.h5")), gbyte=size)
    measure("slides_pool_npy_f16", "numpy", seconds, lambda: pool(np.load(directory / "tiles.npy")), gbyte=size)
    x = np.load(directory / "tiles.npy")[:4096].astype("f4")
    square = np.ones((2048, 2048), "f4")
    measure("machine_sgemm_2048", "numpy (sgemm)", seconds, lambda: square @ square, gflop=2e-9 * 2048**3)
    measure("slides_gram_f32", "numpy (ssyrk)", seconds, lambda: x.T @ x, gflop=2e-9 * 4096 * WIDTH * WIDTH)
    half = np.load(directory / "tiles.npy")
    measure("slides_part_convert_per_ktile", "numpy", seconds, lambda: half.astype("f4"), gbyte=size, per=TILES / 1e3)

    def products():
        total = np.zeros((WIDTH, WIDTH))
        shift = half[:32].mean(0, dtype="f4")
        for start in range(0, TILES, 512):
            block = half[start : start + 512].astype("f4") - shift
            total += block.T @ block
        return total

    measure("slides_products_per_ktile", "numpy", seconds, products, per=TILES / 1e3)
    gram = products() / TILES
    measure("slides_eigen_128_of_1536", "numpy (all vectors)", seconds, lambda: np.linalg.eigh(gram))
    try:
        from sklearn.decomposition import PCA
    except ImportError:
        return
    from sklearn.cluster import MiniBatchKMeans

    y = half.astype("f4")
    for k in (16, 64):
        centres = MiniBatchKMeans(k, random_state=0, max_iter=1, n_init=1).fit(y[:2048])
        assign = lambda: centres.predict(y)
        measure(f"slides_kmeans_{k}_step_per_ktile", "scikit-learn (assignment in memory)", seconds, assign, per=TILES / 1e3)
    fit = lambda: PCA(128, svd_solver="covariance_eigh").fit(y)
    measure("slides_pca_128_in_memory", "scikit-learn", seconds, fit)


main()
