#!/usr/bin/env bash
# Fetches NVIDIA's run-time compiler from its Python wheel and prints the line that names it to the tests:
#   eval "$(kernels/shim/nvrtc.sh)" && cargo test --release -p osteon-kernels --features cuda cuda_compiles
# The wheel is a build tool under NVIDIA's own licence; nothing of it is shipped.
set -euo pipefail
VERSION=12.9.86
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/osteon/nvrtc-$VERSION}
library=$folder/nvidia/cuda_nvrtc/lib/libnvrtc.so.12
if [ ! -e "$library" ]; then
  mkdir -p "$folder"
  python3 -m pip download --quiet --retries 1 --timeout 20 --no-deps --only-binary=:all: -d "$folder" "nvidia-cuda-nvrtc-cu12==$VERSION" >&2
  python3 -m zipfile -e "$folder"/nvidia_cuda_nvrtc_cu12-*.whl "$folder"
  rm "$folder"/*.whl
fi
echo "export OSTEON_NVRTC=$library OSTEON_REQUIRE=\${OSTEON_REQUIRE:+\$OSTEON_REQUIRE,}nvrtc"
