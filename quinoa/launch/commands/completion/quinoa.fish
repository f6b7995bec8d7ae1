# Completion of quinoa for fish 3 or later. To turn it on: quinoa completion fish | source

function __quinoa_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # The command as it was typed, which is one of a virtual environment's or another's.
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    $program __complete fish $words "$current" 2>/dev/null
end

complete -c quinoa -f -a '(__quinoa_complete)'
