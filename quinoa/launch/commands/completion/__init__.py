"""`quinoa completion`: prints the script that enables completion in a shell."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from quinoa.launch.commands.base import OK, Command, UsageError, expect
from quinoa.suggestions import did_you_mean

_SHELLS = ("bash", "zsh", "fish")


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    del values
    known = ", ".join(_SHELLS)
    expect(arguments, 1, f"completion takes one shell ({known})")
    (shell,) = arguments
    if shell not in _SHELLS:
        raise UsageError(
            f"there is no completion for {shell}, but for {known}.{did_you_mean(shell, _SHELLS)}"
        )
    from quinoa.launch.commands.completion import answers

    print(answers.script(shell), end="")
    return OK


COMMAND = Command(
    "|".join(_SHELLS),
    "print what has a shell complete quinoa's command lines",
    "Completes commands, flags and their values, names of agents, settings, presets and\n"
    "environments, and folders of runs. To turn it on, here or, in a startup file, for good:\n\n"
    '  eval "$(quinoa completion bash)"\n'
    '  eval "$(quinoa completion zsh)"\n'
    "  quinoa completion fish | source",
    flags.FlagValues,
    _run,
)
