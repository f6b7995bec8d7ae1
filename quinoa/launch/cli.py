"""The command line: `quinoa train` and the other commands."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence

from absl import flags

from quinoa import paths
from quinoa.launch.commands import (
    check,
    completion,
    evaluate,
    export,
    figure,
    logs,
    plot,
    policy,
    predict,
    record,
    scale,
    status,
    stop,
    sweep,
    train,
    video,
)
from quinoa.launch.commands import list as list_  # Not the built-in one.
from quinoa.launch.commands.base import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    OK,
    TERMINATED,
    Command,
    Terminated,
    UsageError,
    complain,
    sigterm_interrupts,
)
from quinoa.launch.commands.options import unknown_flags
from quinoa.launch.errors import ExperimentError, FatalError, RunError
from quinoa.launch.machine import temporary_folder
from quinoa.launch.machine.streams import prepare
from quinoa.launch.terminal.output import flush, say, show_library_warnings
from quinoa.launch.terminal.wrapping import wrapped
from quinoa.suggestions import did_you_mean

_HELP = ("--help", "-h", "-help")
# What may stand in a command's place.
_FLAGS = ("--help", "--version")
# Columns of help that goes to no terminal.
_PAGE = 92
_COMMANDS = {
    "train": train.COMMAND,
    "status": status.COMMAND,
    "stop": stop.COMMAND,
    "scale": scale.COMMAND,
    "logs": logs.COMMAND,
    "evaluate": evaluate.COMMAND,
    "record": record.COMMAND,
    "video": video.COMMAND,
    "sweep": sweep.COMMAND,
    "figure": figure.COMMAND,
    "plot": plot.COMMAND,
    "policy": policy.COMMAND,
    "predict": predict.COMMAND,
    "export": export.COMMAND,
    "check": check.COMMAND,
    "list": list_.COMMAND,
    "completion": completion.COMMAND,
}
# What asks, in a command's place, for what may stand at a shell's cursor: its completion does.
_COMPLETE = "__complete"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: the command line after the program's name; by default the process's own.

    Returns:
        The exit status: 0, 1 after a failure, 2 for input that cannot work.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    prepare()
    if not sys.warnoptions:
        # Libraries' warnings about other libraries, which users cannot act on.
        warnings.simplefilter("ignore")
    show_library_warnings()
    # The current folder may have the user's agents and environments.
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return complain("the current folder is gone: change to another one.", BAD_INPUT)
    if here not in sys.path:
        sys.path.append(here)
    name, *rest = arguments or ["help"]
    with _errors_are_said(arguments) as exit_:
        if name in (*_HELP, "help"):
            say(_overview())
            exit_.status = OK if arguments else BAD_INPUT
        elif name == "--version":
            from quinoa.launch.run import provenance

            print(f"quinoa {provenance.version()}")
        elif name == _COMPLETE:
            from quinoa.launch.commands.completion.answers import answer

            for line in answer(_COMMANDS, rest):
                print(line)
        else:
            _check_command(name)
            command = _COMMANDS[name]
            values = command.flags()
            if _asks_for_help(rest):
                text = _help(name, command, values)
                # A pager gets a page, and a terminal what fits it.
                say(text if sys.stdout.isatty() else wrapped(text, _PAGE))
            else:
                exit_.status = command.run(values, _parse(name, values, rest))
    return exit_.status


@dataclasses.dataclass
class _Exit:
    """How the program ends."""

    status: int = OK


@contextlib.contextmanager
def _errors_are_said(arguments: Sequence[str]) -> Iterator[_Exit]:
    """A context in which an error becomes a line on standard error and an exit status."""
    exit_ = _Exit()
    try:
        with sigterm_interrupts():
            yield exit_
        sys.stdout.flush()
    except (UsageError, ExperimentError, RunError) as error:
        exit_.status = complain(str(error), BAD_INPUT)
    except FatalError as error:
        exit_.status = complain(str(error), FAILED)
    except KeyboardInterrupt as error:
        is_terminated = isinstance(error, Terminated)
        how = "ended by SIGTERM" if is_terminated else "interrupted"
        what = f": {error}" if str(error) else "."
        exit_.status = complain(f"{how}{what}", TERMINATED if is_terminated else INTERRUPTED)
    # SystemExit too, which only a user's code raises here.
    except BaseException as error:
        exit_.status = _status_of(error, arguments)
    finally:
        flush()


def _status_of(error: BaseException, arguments: Sequence[str]) -> int:
    """Says what an error is that no command raises on purpose; returns the exit status."""
    if isinstance(error, BrokenPipeError) and _only_shows(arguments):
        # The reader of the pipe, such as `head`, has closed it.
        return OK
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return complain(f"{error.filename}: {error.strerror}.", BAD_INPUT)
    say(traceback.format_exc().rstrip(), sys.stderr)
    # Where TensorFlow cannot write temporary files, what fails says nothing of that.
    if isinstance(error, Exception) and (why := temporary_folder.why_unusable()) is not None:
        complain(why, FAILED)
    return FAILED


def _only_shows(arguments: Sequence[str]) -> bool:
    """Whether what is printed is all that the command is for."""
    return (
        not arguments
        or arguments[0] in (*_HELP, "--version", "help", "list", "status")
        or _asks_for_help(arguments)
    )


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return any(argument in _HELP for argument in arguments)


def _check_command(name: str) -> None:
    """Raises `UsageError` where there is no command of a name."""
    if name not in _COMMANDS:
        kind = "flag" if name.startswith("-") else "command"
        near = did_you_mean(name, [*_COMMANDS, *_FLAGS])
        raise UsageError(f"there is no {kind} {name}.{near} See quinoa --help.")


def _parse(name: str, values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    # Flags may come after arguments, as people type them.
    values.set_gnu_getopt(True)
    try:
        return values([f"quinoa {name}", *paths.with_home(arguments)])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UsageError(unknown_flags.message(name, values, error)) from None
    except flags.Error as error:
        raise UsageError(str(error)) from None


def _overview() -> str:
    width = max(map(len, _COMMANDS))
    lines = [f"  {name:{width}}  {command.about}" for name, command in _COMMANDS.items()]
    return "\n".join(
        [
            "Deep reinforcement learning with many actors, one replay server and one learner.",
            "",
            "usage: quinoa COMMAND ...",
            "",
            *lines,
            "",
            "quinoa COMMAND --help says more of a command, quinoa --version which version this is.",
        ]
    )


def _help(name: str, command: Command, values: flags.FlagValues) -> str:
    lines = [
        f"usage: quinoa {name} {command.usage}".rstrip(),
        "",
        f"quinoa {name}: {command.about}.",
    ]
    if command.details:
        # Its sentences flow; its examples, which are indented, are lines.
        lines += ["", re.sub(r"(?<=\S)\n(?=\S)", " ", command.details)]
    if len(values):
        lines += ["", "flags:"]
    for flag_name in values:
        flag = values[flag_name]
        is_switch = flag.flag_type() == "bool"
        lines.append(f"  --[no]{flag_name}" if is_switch else f"  --{flag_name}=...")
        # absl adds a remark on repetition to the help of such flags, which ours says itself.
        text = flag.help.partition(";\n")[0]
        if flag.default not in (None, []):
            text += f" (default: {flag.default_as_str})".replace("'", "")
        lines.append(f"      {text}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
