#!/usr/bin/env bash
# One model by another MPI library: builds `osteon` against MPICH beside the usual build, and compares the hash of
# a federation for one process and 1 to 3 ranks. Skipped where MPICH is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v mpicc.mpich >/dev/null || ! command -v mpirun.mpich >/dev/null; then
  echo "skipped: MPICH (mpicc.mpich, mpirun.mpich) is not installed"
  exit 0
fi
MPICC=mpicc.mpich cargo build --release --locked --bin osteon --target-dir target/mpich
osteon=$PWD/target/mpich/release/osteon
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$osteon" doctor --require mpi >/dev/null
"$osteon" demo --data-only --quiet --out "$work"
for mask in false true; do
  train=("$osteon" train "$work/STUDY.toml" --quiet --threads 1 --set federation.rounds=20 --set federation.secure=$mask)
  "${train[@]}" -o "$work/$mask-solo" >/dev/null
  for ranks in 1 2 3; do
    mpirun.mpich -n $ranks "${train[@]}" -o "$work/$mask-$ranks" >/dev/null
    cmp "$work/$mask-solo/model.safetensors" "$work/$mask-$ranks/model.safetensors"
  done
done
echo "MPICH: one model for one process and 1, 2, 3 ranks, with masks and without"
