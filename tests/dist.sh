#!/usr/bin/env bash
# The release archive: `pack` writes it, `check` builds it as a user without a network would.
#   tests/dist.sh pack|check VERSION ARCHIVE
set -euo pipefail

verb=$1 version=$2 archive=$3
name=osteon-$version
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

pack() {
  local commit when
  commit=$(git rev-parse --short=12 HEAD)
  when=$(git log -1 --format=%ct)
  git archive --prefix="$name/" HEAD | tar -x -C "$stage"
  (
    cd "$stage/$name"
    mkdir -p .cargo
    cargo vendor --quiet --locked --versioned-dirs vendor
    # There is no checkout to ask for the commit in an archive.
    cat >.cargo/config.toml <<TOML
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"

[env]
OSTEON_COMMIT = "$commit"
TOML
  )
  mkdir -p "$(dirname "$archive")"
  # The same commit gives the same bytes.
  tar --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner -C "$stage" -cf - "$name" | gzip -n >"$archive.part"
  mv "$archive.part" "$archive"
  echo "$archive: $(du -h "$archive" | cut -f1), sha256 $(sha256sum "$archive" | cut -d' ' -f1)"
}

check() {
  local features=()
  tar -xzf "$archive" -C "$stage"
  if ! command -v mpicc >/dev/null || ! pkg-config --exists hdf5 2>/dev/null && ! command -v h5cc >/dev/null; then
    echo "no MPI or HDF5 here: building without them"
    features=(--no-default-features)
  fi
  if ! unshare -rn true 2>/dev/null; then
    echo "skipped: networking cannot be switched off here (unshare -n is not permitted)"
    return
  fi
  # An empty CARGO_HOME: nothing that was downloaded before can help.
  mkdir "$stage/home"
  (
    cd "$stage/$name"
    CARGO_HOME=$stage/home RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} \
      unshare -rn cargo build --release --offline --locked "${features[@]}"
    unshare -rn target/release/osteon doctor
    target/release/osteon --version | grep -q 'commit [0-9a-f]\{12\}'
  )
  echo "the archive builds without a network"
}

case $verb in
  pack) pack ;;
  check) check ;;
  *) echo "usage: tests/dist.sh pack|check VERSION ARCHIVE" >&2; exit 2 ;;
esac
