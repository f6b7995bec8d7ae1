#!/usr/bin/env bash
# Makes the virtual environments of the peers that the benchmarks run beside ours.
#
#   scripts/peers.sh [PEER...]      PEER: acme, sb3; both if none is named
#
# benchmarks/peers/PEER/requirements.txt pins every package of .venv-PEER. Acme needs a CPython 3.10
# and Stable-Baselines3 a 3.11; each is looked for, or named by PYTHON310 or PYTHON311.
#
# As in setup.sh, a stamp says what was installed: a second call installs nothing, and an
# installation that was interrupted is made anew.
set -Eeuo pipefail  # -E: the trap below holds inside functions too
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. scripts/find_python.sh

# -I: neither the user's site-packages nor a PYTHONPATH takes part.
install() {
    "$venv/bin/python" -I -m pip install --progress-bar off --disable-pip-version-check \
        --no-build-isolation "$@" >>"$log" 2>&1
}

on_error() {
    tail -n 12 -- "$log" | cut -c -400 >&2
    fail "setting up $venv failed, for the reason above ($log says more): mend it, then run this" \
        "again."
}

make_environment() {
    local peer=$1 version=$2
    local venv=.venv-$peer requirements=benchmarks/peers/$peer/requirements.txt
    local stamp=$venv/quinoa-stamp log=$venv/quinoa-setup.log
    # An environment holds for where it lies (its scripts name their interpreter by its full path)
    # and for what was asked for.
    local key python
    key="$(pwd -P) $(sha256sum <"$requirements")"

    # One installation at a time: another call waits here, then finds the work done. Where the file
    # system has no locks there is nothing to wait for.
    exec 9<"$requirements"
    flock 9 2>/dev/null || true
    if [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$key" ]]; then
        return
    fi
    if [[ -e $venv && ! -e $stamp ]]; then
        fail "$venv was not made by this script: move it away, then run this again."
    fi
    python=$(find_python "$version" "PYTHON${version/./}")

    echo "Setting up $venv (a few minutes)..."
    rm -rf -- "$venv"
    mkdir "$venv"
    echo "unfinished" >"$stamp"
    : >"$log"
    trap on_error ERR
    "$python" -I -m venv "$venv" >>"$log" 2>&1
    # The pinned build tools come first, since the packages built from source are built with them.
    local build_tools
    mapfile -t build_tools < <(grep -E '^(pip|setuptools|wheel)==' "$requirements")
    install --no-deps "${build_tools[@]}"
    install --no-deps -r <(grep -v '^torch==' "$requirements")
    if grep -q '^torch==' "$requirements"; then
        # PyTorch alone is installed with its dependencies: which ones it has depends on the build
        # that pip finds. A CPU build is complete by now; the common build for Linux asks for the
        # CUDA libraries it was linked with, each at one version, and does not import without them.
        install -c "$requirements" "$(grep '^torch==' "$requirements")"
    fi
    trap - ERR

    # Last, and in one step: from here on the environment counts as whole.
    echo "$key" >"$stamp.new"
    mv -- "$stamp.new" "$stamp"
}

[[ $(uname -sm) == "Linux x86_64" ]] ||
    fail "Linux on x86-64 is needed: Launchpad and Reverb are published for nothing else."
peers=("$@")
if [[ $# == 0 ]]; then
    peers=(acme sb3)
fi
for peer in "${peers[@]}"; do
    case $peer in
        acme) make_environment acme 3.10 ;;
        sb3) make_environment sb3 3.11 ;;
        *) fail "there is no peer '$peer': name acme or sb3, or none for both." ;;
    esac
done
