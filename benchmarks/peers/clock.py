"""Median wall and CPU time of a piece of work as a line of JSON; the counterpart of stopwatch.rs.

Imported first by every script, because the libraries read their thread counts when they load.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import json
import math
import pathlib
import statistics
import time

import numpy as np


def measure(what, who, seconds, work, per=1):
    """Times `work` for about `seconds` of CPU time, 5 to 200 samples of 2 ms or more, per `per`."""
    work()
    start = time.process_time()
    work()
    once = max(time.process_time() - start, 1e-7)
    repeats = max(1, math.ceil(2e-3 / once))
    samples = int(min(200, max(5, seconds / (repeats * once))))
    wall, cpu = [], []
    for _ in range(samples):
        start, used = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            work()
        cpu.append((time.process_time() - used) * 1e3 / repeats / per)
        wall.append((time.perf_counter() - start) * 1e3 / repeats / per)
    line = {"what": what, "who": who, "wall_ms": statistics.median(wall), "cpu_ms": statistics.median(cpu)}
    line |= {"wall_min_ms": min(wall), "cpu_min_ms": min(cpu), "samples": samples}
    print(json.dumps(line), flush=True)


def columns(directory, name, values, dtype):
    """Time, event and one more column as `compare --write` left them."""
    path = pathlib.Path(directory)
    time_ = np.fromfile(path / f"{name}.time.f64", "<f8")
    event = np.fromfile(path / f"{name}.event.u8", "u1").astype(bool)
    return time_, event, np.fromfile(path / f"{name}.{values}", dtype)
