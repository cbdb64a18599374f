#!/usr/bin/env bash
# Installs what the build needs and is missing; says nothing when nothing is.
#   setup.sh        compiler, MPI, HDF5, a software Vulkan device
#   setup.sh test   also Slurm and Environment Modules, for the tests that start a cluster on this machine
set -euo pipefail

RUST=1.91
packages=(build-essential pkg-config clang libclang-dev openmpi-bin libopenmpi-dev libhdf5-dev mesa-vulkan-drivers libvulkan1)
[ "${1:-}" = test ] && packages+=(slurm-wlm munge environment-modules)

install_packages() {
  local missing=() sudo=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "error: missing: ${missing[*]}; ask an administrator to install them" >&2; exit 1; }
    sudo=(sudo)
  fi
  echo "installing: ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# On a cluster the libraries come as modules; whoever has them needs no advice.
advise_modules() {
  command -v mpicc >/dev/null && command -v h5cc >/dev/null && command -v clang >/dev/null && return
  cat >&2 <<'TEXT'
No apt here. Osteon wants an MPI library, HDF5 and libclang for the build:
  module load openmpi hdf5 llvm                  (names differ between sites)
  spack install openmpi hdf5 llvm && spack load openmpi hdf5 llvm
Or build without them: cargo build --release --no-default-features
TEXT
}

check_rust() {
  local found
  found=$(rustc --version 2>/dev/null | cut -d' ' -f2) || true
  if [ -z "$found" ] || [ "$(printf '%s\n' "$RUST" "$found" | sort -V | head -n 1)" != "$RUST" ]; then
    echo "error: Rust $RUST or newer is needed, found ${found:-none}" >&2
    echo "hint: install it with rustup (https://rustup.rs), then: rustup update stable" >&2
    exit 1
  fi
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then install_packages; else advise_modules; fi
check_rust
