#!/usr/bin/env bash
# The EasyBuild recipe, built from the release archive and loaded as a module. Skipped where EasyBuild is not installed.
#   tests/easybuild.sh ARCHIVE
set -euo pipefail
cd "$(dirname "$0")/.."
archive=$1
if ! command -v eb >/dev/null || ! command -v modulecmd >/dev/null; then
  echo "skipped: EasyBuild (eb) or Environment Modules is not installed"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# EasyBuild looks for Environment Modules below its home; Debian keeps the program elsewhere.
mkdir -p "$work/home/libexec"
for program in "${MODULESHOME:-}/libexec/modulecmd.tcl" /usr/lib/*/modulecmd.tcl /usr/lib/modulecmd.tcl; do
  if [ -x "$program" ]; then ln -s "$program" "$work/home/libexec/modulecmd.tcl"; break; fi
done
export MODULESHOME=$work/home
mkdir "$work/sources"
cp "$archive" "$work/sources"
eb slurm/easybuild/osteon.eb --sourcepath "$work/sources" --prefix "$work" \
  --modules-tool EnvironmentModules --module-syntax Tcl --allow-modules-tool-mismatch \
  --allow-use-as-root-and-accept-consequences
eval "$(modulecmd bash use "$work/modules/all")"
eval "$(modulecmd bash load osteon)"
[[ $OSTEON == "$work"/* && $(command -v osteon) == "$OSTEON" ]]
osteon doctor --require mpi,hdf5 >/dev/null
echo "EasyBuild: built from the archive, loaded as a module"
