#compdef quinoa
# Completion of quinoa for zsh. To turn it on: eval "$(quinoa completion zsh)"

_quinoa() {
    local -a answer whole begun
    local line value about shown
    # The command as it was typed, which is one of a virtual environment's or another's.
    answer=("${(@f)$("${words[1]/#\~\//$HOME/}" __complete zsh \
        "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    for line in $answer; do
        value=${line%%$'\t'*} about=${line#*$'\t'}
        # In what _describe takes, a colon ends the value.
        shown=${${value//\\/\\\\}//:/\\:}${about:+:$about}
        if [[ $value == *[=:/] ]]; then
            begun+=($shown)
        else
            whole+=($shown)
        fi
    done
    # What is before is not shown again; quinoa leaves out the same.
    compset -P '*[/=,:]'
    local result=1
    (( $#whole )) && _describe -t values value whole && result=0
    # More of these words is to come, and so no space after them.
    (( $#begun )) && _describe -t values value begun -S '' && result=0
    return result
}

if [[ $funcstack[1] == _quinoa ]]; then
    # zsh has read this from a file for a first completion.
    _quinoa "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _quinoa quinoa
fi
