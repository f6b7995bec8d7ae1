#!/usr/bin/env bash
# Installs what requirements files pin, into a virtual environment that exists.
#
#   scripts/install_pins.sh [--running] VENV REQUIREMENTS...
#
# A line `# replaces: PACKAGE` in one of the files leaves that package of the others out. --running
# leaves out what the repository's development needs alone (what stands below "# Development").
set -euo pipefail

running=""
if [[ $1 == --running ]]; then
    running=yes
    shift
fi
venv=$1
requirements=("${@:2}")
lock=$venv/quinoa-requirements.txt

# Prints the requirements, less those that are replaced or not asked for.
pins() {
    local file replaced
    replaced=$(sed -n 's/^# replaces: *//p' "${requirements[@]}" | paste -sd '|')
    for file in "${requirements[@]}"; do
        sed ${running:+-e '/^# Development$/,$d'} -e 's/[[:space:]]*#.*//' -e '/^$/d' "$file"
    done | grep -vE "^(${replaced:-#})=="
}

# -I: neither the user's site-packages nor a PYTHONPATH takes part.
install() {
    "$venv/bin/python" -I -m pip install \
        --progress-bar off --disable-pip-version-check --no-deps --no-build-isolation "$@"
}

# Anew, since the file may be one that another environment's copy shares.
rm -f -- "$lock"
pins >"$lock"
# The pinned build tools come first, since the packages built from source are built with them.
mapfile -t build_tools < <(grep -E '^(pip|setuptools|wheel)==' "$lock")
install "${build_tools[@]}"
install -r "$lock"
