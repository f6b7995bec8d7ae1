#!/usr/bin/env bash
# Makes the virtual environments of the peers that the benchmarks run beside ours.
#
#   scripts/peers.sh [PEER...]      PEER: acme, sb3, sbx, cleanrl, leanrl; all if none is named
#
# benchmarks/peers/PEER/requirements.txt pins every package of .venv-PEER. Acme needs a CPython 3.10,
# the others get a 3.11; each is looked for, or named by PYTHON310 or PYTHON311.
#
# CleanRL and LeanRL are scripts in a git repository: benchmarks/peers/PEER/source has its address and
# the commit, which goes to .venv-PEER/source. Where the repository cannot be reached, the peer is left
# out, with a message, unless it was named. To take it from a copy of the repository, set git's
# `url.COPY.insteadOf` to the address (git help config).
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

# fetch_source ADDRESS COMMIT FOLDER
fetch_source() {
    # Neither a password that is asked for nor a network that gives no answer may stop the rest.
    local git=(timeout 120 git -C "$3" -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=20)
    mkdir -p "$3"
    "${git[@]}" init -q &&
        GIT_TERMINAL_PROMPT=0 "${git[@]}" fetch -q --depth 1 "$1" "$2" &&
        "${git[@]}" -c advice.detachedHead=false checkout -q FETCH_HEAD
}

# make_environment PEER VERSION: sets `unreachable` where the peer's repository cannot be reached.
make_environment() {
    local peer=$1 version=$2
    local venv=.venv-$peer requirements=benchmarks/peers/$peer/requirements.txt
    local stamp=$venv/quinoa-stamp log=$venv/quinoa-setup.log
    # An environment holds for where it lies (its scripts name their interpreter by its full path)
    # and for what was asked for.
    local key python source=benchmarks/peers/$peer/source
    key="$(pwd -P) $(cat "$requirements" $([[ ! -f $source ]] || echo "$source") | sha256sum)"

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

    echo "Setting up $venv (a few minutes)..."
    rm -rf -- "$venv"
    mkdir "$venv"
    echo "unfinished" >"$stamp"
    : >"$log"
    if [[ -f $source ]]; then
        local address commit
        read -r address commit <"$source"
        if ! fetch_source "$address" "$commit" "$venv/source" >>"$log" 2>&1; then
            tail -n 6 -- "$log" | cut -c -400 >&2
            rm -rf -- "$venv"
            unreachable=1
            return
        fi
    fi
    python=$(find_python "$version" "PYTHON${version/./}")
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
    peers=(acme sb3 sbx cleanrl leanrl)
fi
for peer in "${peers[@]}"; do
    case $peer in
        acme) version=3.10 ;;
        sb3 | sbx | cleanrl | leanrl) version=3.11 ;;
        *) fail "there is no peer '$peer': name acme, sb3, sbx, cleanrl or leanrl, or none for all." ;;
    esac
    unreachable=""
    make_environment "$peer" "$version"
    if [[ -n $unreachable && $# != 0 ]]; then
        fail "the repository of $peer cannot be reached, for the reason above."
    elif [[ -n $unreachable ]]; then
        echo "$peer is left out: its repository cannot be reached, for the reason above."
    fi
done
