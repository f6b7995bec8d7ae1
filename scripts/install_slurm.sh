#!/usr/bin/env bash
# Installs Debian's packages of Slurm, which the tests in tests/cluster/test_slurm.py start on hosts
# of their own. Where they are there already, or cannot be installed, it changes nothing: the tests
# are then run, or left out with the reason.
set -euo pipefail

missing=""
for program in munged slurmctld slurmd sbatch; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing=$program
done
if [[ -z $missing ]]; then
    exit 0
fi
if [[ $EUID != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "Slurm is not installed ($missing is missing), and it takes root and apt-get to install it:" \
        "the tests of deploy/slurm are left out."
    exit 0
fi

echo "Installing Slurm..."
log=$(mktemp)
trap 'rm -f -- "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && apt-get install --yes --no-install-recommends \
    munge slurm-client slurmctld slurmd; } >"$log" 2>&1; then
    tail -n 5 -- "$log" >&2
    echo "Slurm could not be installed, for the reason above:" \
        "the tests of deploy/slurm are left out."
fi
