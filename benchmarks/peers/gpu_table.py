"""Figures of a GPU beside its limits, its aims and PyTorch, as a Markdown table: gpu_table.py FOLDER."""

import json
import pathlib
import sys


def records(folder):
    """What was timed, by source: cuda, wgpu, torch."""
    found = {}
    for source in ("timings_cuda", "timings_wgpu", "peers"):
        path = folder / f"{source}.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found[source] = {line["what"]: line for line in map(json.loads, filter(None, lines))}
    return found


def of(record, key):
    return None if record is None else record["more"].get(key)


def ratio(a, b, unit="x"):
    return "" if not a or not b else f"{a / b:.2f}{unit}"


# Osteon's record, PyTorch's, and what is aimed at on an H100.
AIMS = (
    ("cox_nll loss and gradient, breslow, 4096 x 2048", "cox loss and gradient without ties, 4096 x 2048", "half of copy; 20x"),
    ("cox_nll loss and gradient, efron, 4096 x 2048", "cox loss and gradient without ties, 4096 x 2048", ""),
    ("METABRIC epoch, 1000 networks", "METABRIC epoch, 1000 networks, batched", "12 ms (6 s for 500); 5x"),
    ("METABRIC epoch, 1000 networks", "METABRIC epoch, 1 network, times 1000 when looped", "50x"),
    ("pool t5000_d1536_f16", "pool t5000_d1536_f16", "0.8 of copy"),
    ("gram t4096_d1536_f16_in_f32", "matmul f16, 1536 x 4096 x 1536", "0.5 of its rate"),
    ("gram t4096_d1536_f16_in_f32", "gram t4096_d1536_f16_in_f32", ""),
    ("c_index n1e5", "c_index n1e5", "2 ms"),
    ("moments n131072_h64", "moments n131072_h64", ""),
)


def main(folder):
    found = records(pathlib.Path(folder))
    cuda, wgpu, torch = found["timings_cuda"], found["timings_wgpu"], found["peers"]
    any_device = next(iter([*cuda.values(), *wgpu.values()]), None)
    if any_device is None:
        sys.exit("no timings in " + str(folder))
    print(f"# {any_device['device']}\n")
    if any_device["smoke"]:
        print("A smoke run on a software driver: **nothing here is a measurement.**\n")
    for source, name in ((cuda, "CUDA"), (wgpu, "Vulkan")):
        copy = of(source.get("copy"), "gb_per_s")
        if copy:
            print(f"Copy on {name}: {copy:.1f} GB/s.")
    print("\n| what | CUDA ms | Vulkan ms | Vulkan / CUDA | of copy | GFLOP/s | PyTorch ms | PyTorch / Osteon | aim |")
    print("|---|---|---|---|---|---|---|---|---|")
    aims = {}
    for what, peer, aim in AIMS:
        aims.setdefault(what, []).append((peer, aim))
    order = [w for w in (cuda or wgpu) if w != "copy"]
    order += [w for w in wgpu if w not in cuda and w != "copy" and w not in order]
    for what in order:
        here, there = cuda.get(what), wgpu.get(what)
        best = here or there
        for peer, aim in aims.get(what, [(None, "")]):
            other = torch.get(peer)
            times = 1000 if peer and peer.endswith("looped") else 1
            theirs = other["ms"] * times if other else None
            cells = (
                what,
                f"{here['ms']:.3f}" if here else "",
                f"{there['ms']:.3f}" if there else "",
                ratio(there and there["ms"], here and here["ms"]),
                f"{of(best, 'of_copy'):.2f}" if of(best, "of_copy") else "",
                f"{of(best, 'gflop_per_s'):.1f}" if of(best, "gflop_per_s") else "",
                f"{theirs:.3f}" if theirs else "",
                ratio(theirs, best["ms"]),
                aim,
            )
            print("| " + " | ".join(cells) + " |")
    for what in (w for w in torch if w not in {peer for _, peer, _ in AIMS}):
        rate = of(torch[what], "gb_per_s") or of(torch[what], "gflop_per_s")
        print(f"| PyTorch: {what} | | | | | | {torch[what]['ms']:.3f} | {rate or 0:.1f} G/s | |")
    print("\nNot timed: whole radiomics cases (20 ms, 0.3 s are aimed at), whose commands compute on the processor.")


if __name__ == "__main__":
    main(sys.argv[1])
