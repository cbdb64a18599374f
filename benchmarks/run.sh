#!/usr/bin/env bash
# Osteon beside its peers and the machine's limits, in turns on the same inputs:
#   benchmarks/run.sh [ROUNDS [SECONDS]]      3 rounds, about 1 s of CPU time per line and round
# Writes benchmarks/baselines/MACHINE-DATE/{raw.jsonl,table.md} and prints the table.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-3} seconds=${2:-1}
export PYTHONDONTWRITEBYTECODE=1 RAYON_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

bash benchmarks/peers/setup.sh
cargo build --release --locked --quiet --bench compare --bench limits
cargo build --release --locked --quiet --package osteon-federate --features mpi --example round_bench
built() { find target/release/deps -maxdepth 1 -name "$1-*" -executable -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2; }
compare=$(built compare) limits=$(built limits) python=target/peers-venv/bin/python

inputs=$(mktemp -d) && trap 'rm -rf "$inputs"' EXIT
"$compare" --write "$inputs"
model=$(lscpu | sed -n 's/^Model name: *//p' | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
family=$(lscpu | sed -n 's/^CPU family: *//p')-$(lscpu | sed -n 's/^Model: *//p')
out=benchmarks/baselines/$model-$family-$(nproc)core-$(date +%F)
mkdir -p "$out"

for round in $(seq "$rounds"); do
  echo "round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)" >&2
  "$limits"
  "$compare" --seconds "$seconds" cox
  $python benchmarks/peers/cox.py "$inputs" "$seconds"
  "$compare" --seconds "$seconds" deepsurv
  $python benchmarks/peers/deepsurv.py "$inputs" "$seconds"
  "$compare" --seconds "$seconds" c_index
  $python benchmarks/peers/c_index.py "$inputs" "$seconds"
  mpirun --oversubscribe -n "$(($(nproc) < 4 ? $(nproc) : 4))" target/release/examples/round_bench | grep '^{'
  echo "{\"load\": $(cut -d' ' -f1 /proc/loadavg)}"
done >"$out/raw.jsonl"

python3 benchmarks/peers/table.py "$out/raw.jsonl" >"$out/table.md"
cat "$out/table.md"
