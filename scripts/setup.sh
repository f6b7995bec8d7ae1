#!/usr/bin/env bash
# Makes the virtual environment that everything in the Makefile runs in.
#
#   scripts/setup.sh VENV REQUIREMENTS...
#
# Finds a CPython 3.10 that runs (PYTHON=/path/to/python names one), makes VENV, and installs into
# it the packages that the REQUIREMENTS files pin (scripts/install_pins.sh) and the repository itself
# in editable mode.
#
# A stamp in VENV says what was installed, so that a second call installs nothing. The stamp of an
# installation that was interrupted says so, and the next call makes VENV anew.
set -Eeuo pipefail  # -E: the trap below holds inside functions too
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=$1
requirements=("${@:2}")
stamp=$venv/quinoa-stamp
unfinished="unfinished"

. scripts/find_python.sh

# What must be the same for an environment to be used as it is: where it lies (its scripts name
# their interpreter by its full path) and what was asked for.
root=$(pwd -P)
key=$(cat -- "${requirements[@]}" setup.py scripts/install_pins.sh | sha256sum | cut -d ' ' -f 1)

up_to_date() {
    [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$root"$'\n'"$key" ]]
}

if up_to_date; then
    exit 0
fi

[[ $(uname -sm) == "Linux x86_64" ]] ||
    fail "Linux on x86-64 is needed: Launchpad and Reverb are published for nothing else."

# One installation at a time: another `make` in this tree waits here, then finds the work done.
if command -v flock >/dev/null; then
    exec 9<requirements.txt
    # Where the file system has no locks there is nothing to wait for.
    flock 9 2>/dev/null || true
    if up_to_date; then
        exit 0
    fi
fi

python=""  # set: what to make the environment with
if [[ -f $stamp && $(<"$stamp") == "$root"$'\n'* ]] && is_python 3.10 "$venv/bin/python"; then
    : # Ours, complete, and of other pins: brought up to date where it is.
elif [[ -e $venv && ! -e $stamp ]]; then
    # Somebody's own: used if it can be, never removed.
    is_python 3.10 "$venv/bin/python" && "$venv/bin/python" -I -c 'import pip' 2>/dev/null ||
        fail "$venv is not a Python 3.10 environment with pip: move it away, then run make again."
else
    python=$(find_python 3.10 PYTHON)
    rm -rf -- "$venv"
fi

log=$venv/quinoa-setup.log
on_error() {
    tail -n 12 -- "$log" | cut -c -400 >&2
    fail "setting up $venv failed, for the reason above ($log says more): mend it, run make again."
}
trap on_error ERR
echo "Setting up $venv (a few minutes)..."
mkdir -p "$venv"
echo "$unfinished" >"$stamp"
: >"$log"
if [[ -n $python ]]; then
    "$python" -I -m venv "$venv" >>"$log" 2>&1
fi
scripts/install_pins.sh "$venv" "${requirements[@]}" >>"$log" 2>&1
# -I: neither the user's site-packages nor a PYTHONPATH takes part.
"$venv/bin/python" -I -m pip install --progress-bar off --disable-pip-version-check \
    --no-deps --no-build-isolation -e . >>"$log" 2>&1

# Last, and in one step: from here on the environment counts as whole.
printf '%s\n%s\n' "$root" "$key" >"$stamp.new"
mv -- "$stamp.new" "$stamp"
