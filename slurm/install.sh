#!/usr/bin/env bash
# Installs the binary, its completions and a modulefile:
#   slurm/install.sh PREFIX [BINARY]
# MODULES="openmpi hdf5" makes the modulefile ask for these modules, which are the site's own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=${1:?usage: install.sh PREFIX [BINARY]}
binary=${2:-$here/../target/release/osteon}
[ -x "$binary" ] || { echo "error: $binary is not there; run make build" >&2; exit 1; }
version=$("$binary" --version | cut -d' ' -f2)

install -D -m 755 "$binary" "$prefix/bin/osteon"
install -d "$prefix/share/bash-completion/completions" "$prefix/share/modulefiles/osteon" "$prefix/share/doc/osteon"
"$binary" completions bash >"$prefix/share/bash-completion/completions/osteon"
install -m 644 "$here"/../LICENSE-* "$here/../README.md" "$prefix/share/doc/osteon/"
prereq=
for module in ${MODULES:-}; do prereq="${prereq}prereq $module"$'\n'; done
text=$(<"$here/modulefile")
text=${text//@VERSION@/$version}
printf '%s\n' "${text//@PREREQ@/$prereq}" >"$prefix/share/modulefiles/osteon/$version"
echo "installed osteon $version; module use $prefix/share/modulefiles && module load osteon"
