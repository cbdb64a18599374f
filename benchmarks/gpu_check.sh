#!/usr/bin/env bash
# The op harness and the timings on a machine with a GPU, in parts of a few minutes:
#   benchmarks/gpu_check.sh                 every part that is not done yet; the same command goes on
#   benchmarks/gpu_check.sh PART...         build harness_cuda harness_wgpu sanitizer timings_cuda timings_wgpu peers table
#   benchmarks/gpu_check.sh --smoke         the software Vulkan driver: shows that the script works, measures nothing
# The machine needs a driver and, for CUDA, an NVRTC library. Built elsewhere, the one binary is named by
# OSTEON_GPU_BIN; it needs neither MPI nor HDF5. Results: benchmarks/baselines/GPU-DATE/, exit code 5 without a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
PARTS=(build harness_cuda harness_wgpu sanitizer timings_cuda timings_wgpu peers table)
LIMIT=${OSTEON_PART_SECONDS:-460}  # a part is stopped after so many seconds

smoke=
if [ "${1:-}" = --smoke ]; then smoke=1 && shift; fi
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=("${PARTS[@]}")
bin=${OSTEON_GPU_BIN:-target/gpu_check/osteon-ops}

build() {
  [ -z "${OSTEON_GPU_BIN:-}" ] || return 0
  mkdir -p target/gpu_check
  cargo test --release --locked --no-default-features --features cuda,wgpu --test ops --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/ops-[^"]*\)".*/\1/p' | tail -n 1 >target/gpu_check/path || return 1
  strip -o "$bin" "$(cat target/gpu_check/path)" || return 1
  local bytes
  bytes=$(stat -c %s "$bin")
  [ "$bytes" -lt 60000000 ] || { echo "error: $bin has $bytes bytes, more than 60 MB" >&2; return 1; }
}

if [ ! -x "$bin" ]; then
  [ -z "${OSTEON_GPU_BIN:-}" ] || { echo "error: $bin is no executable" >&2; exit 2; }
  build
fi
listed=$(OSTEON_TIME=list "$bin")
cuda=$(grep '^cuda:.* hardware ' <<<"$listed" | head -n 1 || true)
wgpu=$(grep '^wgpu:.* hardware ' <<<"$listed" | head -n 1 || true)
if [ -n "$smoke" ]; then
  cuda='' wgpu=$(grep '^wgpu:.* software ' <<<"$listed" | head -n 1 || true)
  [ -n "$wgpu" ] || { echo "error: --smoke needs the software Vulkan driver (mesa-vulkan-drivers)" >&2; exit 5; }
  export OSTEON_TIME_SMALL=1
  echo "smoke on a software driver: nothing here is a measurement" >&2
elif [ -z "$cuda$wgpu" ]; then
  echo "error: no GPU is visible to this process (devices: ${listed:-none})" >&2
  echo "hint: --smoke tries the script on the software Vulkan driver" >&2
  exit 5
fi
first=${cuda:-$wgpu}
name=$(cut -d' ' -f3- <<<"$first" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-' | sed 's/--*/-/g; s/-$//')
out=${OSTEON_GPU_OUT:-benchmarks/baselines/$name-$(date +%F)}
[ -z "$smoke" ] || out=${OSTEON_GPU_OUT:-target/gpu_check/smoke}
mkdir -p "$out"

skip() { echo "skipped: $1" | tee "$out/$2.log"; }
# The harness opens a device per test, so few at a time.
harness() { timeout "$LIMIT" "$bin" "::$1::" --test-threads "${OSTEON_GPU_THREADS:-4}" "${@:2}" >"$out/harness_$1.log" 2>&1; }
timings() { OSTEON_TIME=$(cut -d' ' -f1 <<<"$2") timeout "$LIMIT" "$bin" >"$out/timings_$1.jsonl"; }

harness_cuda() { if [ -n "$cuda" ]; then harness cuda; else skip "no NVIDIA device" harness_cuda; fi; }
harness_wgpu() {
  [ -n "$wgpu" ] || { skip "no hardware Vulkan device" harness_wgpu; return; }
  # A software driver is not given what only a GPU does in time.
  if [ -n "$smoke" ]; then harness wgpu --skip beyond --skip training; else harness wgpu; fi
}
sanitizer() {
  if [ -z "$cuda" ]; then skip "no NVIDIA device" sanitizer; return; fi
  command -v compute-sanitizer >/dev/null || { skip "no compute-sanitizer" sanitizer; return; }
  local bad=0 begun=$SECONDS
  for tool in memcheck racecheck initcheck; do
    for test in 'cox_nll::cuda::random' 'linear::cuda::odd' 'batch_norm::cuda::n17' 'schedule::cuda::s3' \
      'glszm::cuda::few_levels' 'diameter::cuda::few_levels' \
      'moments::cuda::n600' 'c_index::cuda::n333' 'gram::cuda::t513_d49_f16' 'gram::cuda::t300_d70_f32' \
      'cox_nll::cuda::left truncation, strata' 'training::cuda::as the processor, mini-batches, batch norm'; do
      [ $((SECONDS - begun)) -lt "$LIMIT" ] || { echo "error: no time left for $tool $test" >&2; return 1; }
      echo "== $tool $test"
      timeout "$((LIMIT / 16))" compute-sanitizer --tool "$tool" --error-exitcode 1 "$bin" "$test" --test-threads 1 2>&1 || bad=1
    done
  done >"$out/sanitizer.log"
  return "$bad"
}
timings_cuda() { if [ -n "$cuda" ]; then timings cuda "$cuda"; else skip "no NVIDIA device" timings_cuda; fi; }
timings_wgpu() { if [ -n "$wgpu" ]; then timings wgpu "$wgpu"; else skip "no hardware Vulkan device" timings_wgpu; fi; }
peers() { timeout "$LIMIT" python3 benchmarks/peers/gpu.py >"$out/peers.jsonl" 2>"$out/peers.log" || { cat "$out/peers.log" >&2; return 1; }; }

table() {
  command -v python3 >/dev/null || { skip "no python3" table; return; }
  python3 benchmarks/peers/gpu_table.py "$out" >"$out/table.md"
}

{ echo "$listed"; uname -srm; date -u +%FT%TZ; nvidia-smi -L 2>/dev/null || true; } >"$out/machine.txt"
failed=0
for part in "${parts[@]}"; do
  [[ " ${PARTS[*]} " = *" $part "* ]] || { echo "error: no part $part; there are ${PARTS[*]}" >&2; exit 2; }
  # Named parts run again; without names, what is done stays.
  if [ $# -eq 0 ] && [ -e "$out/.done-$part" ]; then continue; fi
  start=$SECONDS
  if "$part"; then
    touch "$out/.done-$part"
    echo "$part: done in $((SECONDS - start)) s"
  else
    echo "$part: FAILED after $((SECONDS - start)) s, see $out" >&2
    failed=1
  fi
done
cat "$out"/table.md 2>/dev/null || cat "$out"/timings_*.jsonl "$out"/peers.jsonl 2>/dev/null || true
exit "$failed"
