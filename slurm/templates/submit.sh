#!/bin/bash
# Written by `osteon slurm`. Submits the sweep and the job that waits for all of it; what is given here
# goes to every sbatch: `./submit.sh --test-only` asks Slurm whether it would take the scripts.
set -eu
cd "$(dirname "$0")"
mkdir -p {{folders}}
after=
for script in {{scripts}}; do
  id=$(sbatch --parsable "$@" "$script")
  id=${id%%;*}
  echo "$script ${id:-accepted}"
  [ -n "$id" ] && after=$after:$id
done
id=$(sbatch --parsable ${after:+--dependency=afterok$after --kill-on-invalid-dep=yes} "$@" {{after}})
id=${id%%;*}
echo "{{after}} ${id:-accepted}"
