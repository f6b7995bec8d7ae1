# Completion of quinoa for bash 4 or later. To turn it on: eval "$(quinoa completion bash)"

_quinoa() {
    local kind
    # The command as it was typed, which is one of a virtual environment's or another's.
    mapfile -t COMPREPLY < <("${1/#\~\//$HOME/}" __complete bash \
        "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    kind=${COMPREPLY[0]}
    COMPREPLY=("${COMPREPLY[@]:1}")
    if [[ $kind == paths ]]; then
        # Has bash quote spaces in them, and put a slash after a folder.
        compopt -o filenames
    fi
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]]; then
        compopt -o nospace
    fi
}

complete -F _quinoa quinoa
