#!/usr/bin/env bash
# Radiomics of a generated whole skeleton beside PyRadiomics and Nyxus, in turns on the same files:
#   benchmarks/peers/skeleton.sh [shape] >raw.jsonl      `shape` adds PyRadiomics' diameters, bones and filters (minutes)
# PyRadiomics is built from its source archive, as no wheel of it runs here; it needs numpy 1, Nyxus numpy 2.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
pyradiomics=target/radiomics-venv nyxus=target/nyxus-venv
if [ ! -x $pyradiomics/bin/python ]; then
  python3 -m venv $pyradiomics
  $pyradiomics/bin/python -m pip install --quiet 'setuptools<70' 'numpy<2' wheel versioneer cython SimpleITK PyWavelets pykwalify six
  $pyradiomics/bin/python -m pip install --quiet --no-build-isolation pyradiomics==3.0.1
fi
if [ ! -x $nyxus/bin/python ]; then
  python3 -m venv $nyxus
  $nyxus/bin/python -m pip install --quiet nyxus==0.11.0
fi
cargo build --release --locked --quiet --package osteon-radiomics --example skeleton
skeleton=target/release/examples/skeleton
files=$(mktemp -d) && trap 'rm -rf "$files"' EXIT
$skeleton pet write "$files"

for threads in 1 2; do
  for what in whole bones filters; do $skeleton pet $what $threads; done
done
$pyradiomics/bin/python benchmarks/peers/skeleton.py pyradiomics "$files" "$@"
$nyxus/bin/python benchmarks/peers/skeleton.py nyxus "$files"
for threads in 1 2; do $skeleton ct whole $threads; done
