# Sourced by setup.sh and peers.sh: how they find an interpreter.

fail() {
    echo "quinoa: $*" >&2
    exit 1
}

is_python() {  # is_python VERSION INTERPRETER
    "$2" -I -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$1" \
        >/dev/null 2>&1
}

# find_python VERSION VARIABLE
#
# Prints the path of a CPython of the VERSION that can make virtual environments; the environment
# variable VARIABLE may name one. Each candidate is run, not only looked for: pyenv puts shims on the
# PATH that exist and refuse.
find_python() {
    local version=$1 variable=$2 candidate without_venv=""
    local candidates=(python3 "python$version" python
        "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version"*/bin/"python$version"
        "/usr/bin/python$version" "/usr/local/bin/python$version"
        "${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python/cpython-$version"*/bin/"python$version")
    if [[ -n ${!variable:-} ]]; then
        candidates=("${!variable}")
    fi
    for candidate in "${candidates[@]}"; do
        is_python "$version" "$candidate" || continue
        if "$candidate" -I -c 'import ensurepip, venv' >/dev/null 2>&1; then
            # A virtual environment's interpreter may be removed with it: take its base.
            "$candidate" -I -c 'import sys; inside = sys.prefix != sys.base_prefix
print(sys.base_prefix + "/bin/python" + sys.argv[1] if inside else sys.executable)' "$version"
            return
        fi
        without_venv=$candidate
    done
    if [[ -n $without_venv ]]; then
        fail "$without_venv cannot make virtual environments: install its venv module" \
            "(Debian, Ubuntu: apt install python$version-venv), then run make again."
    fi
    if [[ -n ${!variable:-} ]]; then
        fail "$variable=${!variable} is not a Python $version that runs: name one that is, or" \
            "leave $variable out."
    fi
    fail "Python $version was not found: install it (pyenv install $version, or uv python install" \
        "$version, or apt install python$version-venv) or name it" \
        "(make $variable=/path/to/python$version), then run make again."
}
