#!/usr/bin/env bash
# The peers in a virtual environment, target/peers-venv (about 7 GB: PyPI's torch brings its CUDA libraries).
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=target/peers-venv
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/python -m pip install --quiet --requirement benchmarks/peers/requirements.txt
