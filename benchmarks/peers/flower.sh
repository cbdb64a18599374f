#!/usr/bin/env bash
# A round of Osteon's aggregation beside one of Flower's simulation, one after the other:
#   benchmarks/peers/flower.sh [PARAMS [ROUNDS [RANKS]]]
# Flower lives in target/flower-venv (flwr with Ray, about 1 GB).
set -euo pipefail
cd "$(dirname "$0")/../.."
params=${1:-6849} rounds=${2:-30} ranks=${3:-4}
venv=target/flower-venv
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/python -m pip install --quiet 'flwr[simulation]==1.41.0'
export FLWR_TELEMETRY_ENABLED=0 RAY_DEDUP_LOGS=1 PYTHONDONTWRITEBYTECODE=1
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT
${MPIRUN:-mpirun --oversubscribe} -n "$ranks" target/release/osteon bench allreduce --params "$params" -o "$out"
$venv/bin/python benchmarks/peers/flower_round.py "$params" "$rounds" 2>"$out/flower.log" | grep '^{' >"$out/flower.json" || {
  tail -n 20 "$out/flower.log" >&2
  exit 1
}
python3 - "$out" <<'PY'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
own, flower = json.loads((out / "allreduce.json").read_text()), json.loads((out / "flower.json").read_text())
exact = own["sizes"][0]["lines"][0]
print(f"Osteon, {own['ranks']} ranks, {flower['params']} parameters: {exact['median_us'] / 1e3:.3f} ms median, {exact['min_us'] / 1e3:.3f} least")
print(f"{flower['peer']}, {flower['clients']} clients: {flower['median_ms']:.1f} ms median, {flower['min_ms']:.1f} least")
print(f"ratio of medians: {flower['median_ms'] / (exact['median_us'] / 1e3):.0f}")
PY
