"""The table of a run from its raw.jsonl: table.py RAW. The median over the rounds of each line."""

import collections
import json
import pathlib
import statistics
import subprocess
import sys

# what, in words, aim in ms, limit as a key of `limits`.
ROWS = [
    ("cox_1e4_ties", "Cox loss + gradient, Efron, N = 1e4, day ties", 0.05, None),
    ("cox_1e4_continuous", "the same, continuous times", 0.05, None),
    ("cox_1e6_ties", "Cox loss + gradient, Efron, N = 1e6, day ties", 5, "stream 1e6"),
    ("cox_1e6_continuous", "the same, continuous times", 5, "stream 1e6"),
    ("cox_1e4_ties_sd40", "log-risk sd 40, N = 1e4, day ties", None, None),
    ("cox_1e6_ties_sd40", "log-risk sd 40, N = 1e6, day ties", None, None),
    ("cox_1e4_ties_sd400", "log-risk sd 400 (wide path), N = 1e4", None, None),
    ("cox_256x2048_ties", "256 problems of 2048, day ties", 3, "stream 256x2048"),
    ("cox_256x2048_continuous", "256 problems of 2048, continuous", 3, "stream 256x2048"),
    ("deepsurv_b1", "DeepSurv METABRIC, per epoch, B = 1", None, "products"),
    ("deepsurv_b100", "DeepSurv METABRIC, per model and epoch, B = 100", 0.6, "products"),
    ("deepsurv_b100_all_cores", "the same on all cores", None, None),
    ("c_index_1e4", "Harrell C, N = 1e4", None, None),
    ("c_index_1e5", "Harrell C, N = 1e5", 12, None),
    ("c_index_1e5_variance", "Harrell C with its variance, N = 1e5", None, None),
    ("c_index_1e6", "Harrell C, N = 1e6", None, None),
    ("c_index_1e6_variance", "Harrell C with its variance, N = 1e6", None, None),
]

NOTE = """\
One thread unless said; times are `CPU / wall` in ms, medians of the medians of {rounds} rounds in which Osteon and
its peers took turns. The load average at the end of the rounds was {loads} on {cores} cores: where it exceeds the
cores, wall times say little and CPU times (process clock, all threads) are the ones to compare; even these suffer
from shared caches and memory. The ratio is peer CPU / Osteon CPU. "no ties": the peer treats tied times as distinct,
which is less work. Limits: reading scores and events and writing gradients once at the copy speed; the matrix
products of a DeepSurv step alone.
"""


def load(path):
    """Lines by (what, who), the rounds of `round_bench`, and the load averages."""
    lines, rounds, loads = collections.defaultdict(list), [], []
    for text in pathlib.Path(path).read_text().splitlines():
        line = json.loads(text)
        if "load" in line:
            loads.append(line["load"])
        elif "bare" in line:
            rounds.append(line)
        else:
            lines[line["what"], line["who"]].append(line)
    return lines, rounds, loads


def main(path):
    lines, rounds, loads = load(path)

    def middle(key, field):
        values = [line[field] for line in lines[key] if field in line]
        return statistics.median(values) if values else None

    def cell(key):
        return f"{middle(key, 'cpu_ms'):.3g} / {middle(key, 'wall_ms'):.3g}"

    copy = middle(("copy_read_and_written", "machine"), "gbyte_per_s")
    sizes = {"1e6": 1e6, "256x2048": 256 * 2048}
    limits = {f"stream {name}": 8.125 * n / copy * 1e-6 for name, n in sizes.items()}
    limits["products"] = middle(("deepsurv_products", "machine"), "cpu_ms")
    lscpu = dict(
        (part.strip() for part in line.split(":", 1))
        for line in subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines()
        if ":" in line
    )
    print(f"# {lscpu['Model name']}, family {lscpu['CPU family']} model {lscpu['Model']}, {lscpu['CPU(s)']} cores\n")
    loads_text = ", ".join(f"{load:g}" for load in loads)
    print(NOTE.format(rounds=len(loads), loads=loads_text, cores=lscpu["CPU(s)"]))
    print("| what | aim | Osteon | peer | ratio | limit |\n|---|---|---|---|---|---|")
    for what, words, aim, limit in ROWS:
        if not lines[what, "osteon"]:
            continue
        peers = sorted(
            (middle(key, "cpu_ms"), key) for key in list(lines) if key[0] == what and key[1] != "osteon" and lines[key]
        )
        mine = middle((what, "osteon"), "cpu_ms")
        shown = [f"{key[1]} {cell(key)}" for _, key in peers] or ["-"]
        ratios = [f"{cpu / mine:.1f}" for cpu, _ in peers] or ["-"]
        bound = f"{limits[limit]:.3g}" if limit else ""
        row = [words, f"{aim or ''}", cell((what, "osteon")), "<br>".join(shown), "<br>".join(ratios), bound]
        print("| " + " | ".join(row) + " |")
    for ranks in sorted({r["ranks"] for r in rounds}):
        same = [r for r in rounds if r["ranks"] == ranks]
        mine, bare = (statistics.median(r[k]["median_ms"] for r in same) for k in ("round", "bare"))
        least = min(r["round"]["min_ms"] for r in same), min(r["bare"]["min_ms"] for r in same)
        words = f"FedAvg round, {same[0]['params']} parameters, {ranks} ranks (wall; least of all in brackets)"
        row = [words, "1.5x bare", f"{mine:.3g} ({least[0]:.3g})", f"bare i64 allreduce {bare:.3g} ({least[1]:.3g})"]
        print("| " + " | ".join([*row, f"{bare / mine:.2f} ({least[1] / least[0]:.2f})", f"{bare:.3g}"]) + " |")
    print("\n| limit of one core | |\n|---|---|")
    for (what, who), found in lines.items():
        for rate, unit in (("gbyte_per_s", "GB/s"), ("gflop_per_s", "GFLOP/s")):
            if who == "machine" and rate in found[0]:
                print(f"| {what.replace('_', ' ')} | {max(line[rate] for line in found):.3g} {unit} |")


if __name__ == "__main__":
    main(sys.argv[1])
