"""The command line: `quinoa train`, `evaluate`, `plot`, `policy` and `list`."""

from __future__ import annotations

import difflib
import functools
import os
import signal
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from launch import process_environment
from launch.engines import ENGINES
from launch.errors import ExperimentError, RunError

if TYPE_CHECKING:
    from launch.experiment import Experiment

# Exit statuses.
_OK, _FAILED, _BAD_INPUT, _INTERRUPTED = 0, 1, 2, 128 + signal.SIGINT

DEFAULT_ENVIRONMENT = "control:cartpole:swingup"


class UsageError(ValueError):
    """The command line cannot be understood."""


class _NumberParser(flags.ArgumentParser):
    """A whole number within bounds; 1e6 and 1_000_000 are such too."""

    syntactic_help = "a whole number"

    def __init__(self, least: int):
        super().__init__()
        self._least = least

    def parse(self, argument: str | int) -> int:
        """Reads it; raises `ValueError`."""
        try:
            number = float(argument)
            # What float rounds, int reads as it is.
            whole = int(argument) if str(argument).lstrip("+-").isdecimal() else int(number)
        except (ValueError, OverflowError):
            whole, number = -1, 0.5
        if number < self._least or not number.is_integer():
            raise ValueError(f"it must be a whole number, at least {self._least}")
        return whole

    def flag_type(self) -> str:
        """What absl calls it."""
        return "int"


def _define_number(
    values: flags.FlagValues, name: str, default: int | None, text: str, *, least: int = 1
) -> None:
    flags.DEFINE(_NumberParser(least), name, default, text, values, flags.ArgumentSerializer())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: the command line after the program's name; by default the process's own.

    Returns:
        The exit status: 0, 1 after a failure, 2 for input that cannot work.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not sys.warnoptions:
        # Those of libraries about libraries, which nobody at the terminal can act on.
        warnings.simplefilter("ignore")
    # Agents and environments of the user's own may lie in the current folder.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return _dispatch(arguments)
    except (UsageError, ExperimentError, RunError) as error:
        return _complain(str(error), _BAD_INPUT)
    except KeyboardInterrupt:
        return _complain("interrupted.", _INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _OK
    except Exception:
        traceback.print_exc()
        return _FAILED


def _dispatch(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_overview())
        return _OK if arguments else _BAD_INPUT
    name, *rest = arguments
    if name not in _COMMANDS:
        kind = "flag" if name.startswith("-") else "command"
        raise UsageError(f"there is no {kind} {name}.{_near(name, _COMMANDS)} See quinoa --help.")
    command = _COMMANDS[name]
    values = command.flags()
    if any(argument in ("--help", "-h", "-help") for argument in rest):
        print(_help(name, command, values))
        return _OK
    return command.run(values, _parse(name, values, rest))


class _Command(NamedTuple):
    """One command of the program.

    Attributes:
        usage: what follows its name.
        about: one line about it.
        details: what else its help says.
        flags: makes its flags.
        run: runs it with parsed flags and the arguments that are no flags.
    """

    usage: str
    about: str
    details: str
    flags: Callable[[], flags.FlagValues]
    run: Callable[[flags.FlagValues, Sequence[str]], int]


def _parse(name: str, values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    # Flags may come after arguments, as people type them.
    values.set_gnu_getopt(True)
    try:
        return values([f"quinoa {name}", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UsageError(
            f"{name} has no flag --{error.flagname}.{_near(error.flagname, values, '--')} "
            f"See quinoa {name} --help."
        ) from None
    except flags.Error as error:
        raise UsageError(str(error)) from None


def _near(name: str, known: Iterable[str], prefix: str = "") -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {prefix}{matches[0]}?" if matches else ""


def _complain(message: str, status: int) -> int:
    print(f"quinoa: {message}", file=sys.stderr)
    return status


# quinoa train


def _train_flags() -> flags.FlagValues:
    values = flags.FlagValues()

    number = functools.partial(_define_number, values)
    flags.DEFINE_string(
        "agent",
        None,
        "What learns: a name (see quinoa list), or the import path of an agent of your own. "
        "Default: the first that quinoa list shows.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "env",
        DEFAULT_ENVIRONMENT,
        "What it learns: control:<domain>:<task>, gym:<id>, or package.module:factory.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "set",
        [],
        "A setting of the agent, NAME=VALUE; may be given several times.",
        flag_values=values,
    )
    number("steps", 100_000, "Environment steps over all actors, after which the run ends.")
    number("num_actors", 2, "Actor processes.")
    number("environments_per_actor", 16, "Environments that each actor steps together.")
    number("action_repeat", 1, "Environment steps that each action lasts.")
    flags.DEFINE_float(
        "samples_per_insert",
        None,
        "How often each step is learned from, on average, in place of the agent's own setting.",
        lower_bound=0.0,
        flag_values=values,
    )
    number("steps_per_call", 50, "Gradient steps that the learner does in one go.")
    number("evaluation_period", None, "Steps from one evaluation to the next. Default: steps / 20.")
    number("evaluation_episodes", 10, "Episodes in each evaluation.")
    flags.DEFINE_boolean(
        "evaluation_sample",
        False,
        "Evaluate with sampled actions rather than the policy's mode.",
        flag_values=values,
    )
    number("seed", 0, "Seed of everything random.", least=0)
    flags.DEFINE_string(
        "folder", None, "Where the run goes. Default: a new folder in runs/.", flag_values=values
    )
    flags.DEFINE_enum(
        "engine",
        "local",
        list(ENGINES),
        "; ".join(f"{name}: {entry.about}" for name, entry in ENGINES.items()) + ".",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "private_network",
        True,
        "Give the run's processes a network of their own, so that nobody else reaches their ports. "
        "Turn it off for environments that need the network.",
        flag_values=values,
    )
    number("learner_threads", None, "Threads of the learner. Default: one for each core.")
    flags.DEFINE_float(
        "checkpoint_period",
        60.0,
        "Seconds from one checkpoint to the next.",
        lower_bound=0.1,
        flag_values=values,
    )
    return values


def _train(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    _expect(arguments, 0, "train takes flags only")
    inherited = process_environment.set_for_this_process()
    from launch import engines, run_folder
    from launch.engines.base import Outcome, Settings
    from launch.train import describe, train

    experiment = _experiment(values)
    experiment.validate()
    folder = (
        run_folder.RunFolder(Path(values.folder))
        if values.folder
        else run_folder.fresh(experiment.environment, experiment.agent, experiment.seed)
    )
    folder.create()
    print(f"Training {experiment.agent} on {experiment.environment} in {folder.root}", flush=True)
    settings = Settings(inherited, private_network=values.private_network)
    summary = train(experiment, folder, engines.make(values.engine, settings))
    result = summary.result
    if result.outcome is Outcome.FAILED:
        print(f"quinoa: {result.failed_node} failed; see {folder.logs}.", file=sys.stderr)
        print(result.error, file=sys.stderr)
        return _FAILED
    if summary.final is not None:
        returns = summary.final.returns
        print(f"Return of the final policy: {describe(returns)} ({len(returns)} episodes)")
    elif result.outcome is Outcome.KILLED:
        print("quinoa: ended before the last checkpoint was written.", file=sys.stderr)
    else:
        print(f"Stopped early. To evaluate what it has learned: quinoa evaluate {folder.root}")
    if summary.learning_curve is not None:
        print(f"Learning curve: {summary.learning_curve}")
    print(f"Run: {folder.root}")
    return _FAILED if result.outcome is Outcome.KILLED else _OK


def _experiment(values: flags.FlagValues) -> Experiment:
    from agents import protocol, registry
    from launch.experiment import Experiment

    name = values.agent or registry.DEFAULT_AGENT
    try:
        config = registry.override(registry.load(name).config, _assignments(values.set))
    except (registry.UnknownAgentError, protocol.ConfigError) as error:
        raise ExperimentError(str(error)) from error
    return Experiment(
        agent=name,
        agent_config=config,
        environment=values.env,
        action_repeat=values.action_repeat,
        num_actors=values.num_actors,
        environments_per_actor=values.environments_per_actor,
        samples_per_insert=values.samples_per_insert,
        steps=values.steps,
        steps_per_call=values.steps_per_call,
        evaluation_period=values.evaluation_period,
        evaluation_episodes=values.evaluation_episodes,
        evaluation_sample=values.evaluation_sample,
        seed=values.seed,
        checkpoint_period_s=values.checkpoint_period,
        learner_threads=values.learner_threads,
    )


def _assignments(texts: Sequence[str]) -> dict[str, str]:
    assignments: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--set {text} cannot be understood: it must be NAME=VALUE.")
        if name in assignments:
            raise UsageError(f"--set gives {name} twice: {assignments[name]} and {value}.")
        assignments[name] = value
    return assignments


# quinoa evaluate


def _evaluate_flags() -> flags.FlagValues:
    values = flags.FlagValues()
    _define_number(values, "episodes", 10, "Episodes to play.")
    flags.DEFINE_boolean(
        "sample", False, "Sample actions rather than take the policy's mode.", flag_values=values
    )
    text = "Seed of environments and actions. Default: one that follows from the run's."
    _define_number(values, "seed", None, text, least=0)
    return values


def _evaluate(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    _expect(arguments, 1, "evaluate takes the folder of one run")
    process_environment.set_for_this_process()
    from environments import EnvironmentFault
    from launch import run_folder
    from launch.evaluate import evaluate_run
    from launch.train import describe

    try:
        result = evaluate_run(
            run_folder.existing(arguments[0]),
            values.episodes,
            sample=values.sample,
            seed=values.seed,
        )
    except EnvironmentFault as error:
        return _complain(str(error), _FAILED)
    kind = "sampled actions" if values.sample else "the policy's mode"
    print(f"Return: {describe(result.returns)} ({values.episodes} episodes, {kind})")
    return _OK


# quinoa plot


def _plot_flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string(
        "out",
        "learning_curves.png",
        "The picture's file; its ending is the format.",
        flag_values=values,
    )
    return values


def _plot(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    if not arguments:
        raise UsageError("plot takes the folders of one run or more. See quinoa plot --help.")
    process_environment.set_for_this_process()
    from launch import plotting, run_folder
    from launch.experiment import load

    groups: dict[tuple[str, str], list[run_folder.RunFolder]] = {}
    for argument in arguments:
        folder = run_folder.existing(argument)
        experiment = load(folder)
        groups.setdefault((experiment.agent, experiment.environment), []).append(folder)
    environments = sorted({environment for _, environment in groups})
    labelled = [
        (agent if len(environments) == 1 else f"{agent} on {environment}", folders)
        for (agent, environment), folders in groups.items()
    ]
    title = environments[0] if len(environments) == 1 else "Evaluation"
    try:
        print(plotting.plot_runs(labelled, title, Path(values.out)))
    except (OSError, ValueError) as error:
        raise UsageError(f"{values.out} cannot be drawn: {error}") from error
    return _OK


# quinoa policy


def _policy_flags() -> flags.FlagValues:
    values = flags.FlagValues()
    number = functools.partial(_define_number, values)
    flags.DEFINE_string(
        "out", "policy.png", "The picture's file; its ending is the format.", flag_values=values
    )
    number("step", 100, "The state: the one after this many steps of an episode.", least=0)
    number("actions", 1000, "Actions to draw.", least=3)
    number("seed", 0, "Seed of the environment and the actions.", least=0)
    return values


def _policy(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    _expect(arguments, 1, "policy takes the folder of one run")
    process_environment.set_for_this_process()
    from launch import run_folder
    from launch.policy_picture import draw_policy

    folder = run_folder.existing(arguments[0])
    try:
        path = draw_policy(
            folder,
            Path(values.out),
            step=values.step,
            num_actions=values.actions,
            seed=values.seed,
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"{values.out} cannot be drawn: {error}") from error
    print(path)
    return _OK


# quinoa list


def _list(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    del values
    _expect(arguments, 0, "list takes nothing")
    process_environment.set_for_this_process()
    import environments
    from agents import registry

    agents = sorted(registry.names(), key=lambda agent: agent[0] != registry.DEFAULT_AGENT)
    width = max(len(name) for name, _ in agents)
    print("Agents (--agent):")
    for name, about in agents:
        print(f"  {name:{width}}  {about}")
    print("  or the import path of your own: my_package.my_agent, my_package.my_agent:preset")
    print("\nEnvironments (--env):")
    for name in environments.list_environments():
        print(f"  {name}")
    print("  any other id of Gymnasium that its spaces allow: gym:<id>")
    print("  or a function that makes your own: my_package.my_module:my_factory")
    return _OK


def _expect(arguments: Sequence[str], count: int, what: str) -> None:
    if len(arguments) != count:
        given = f", not {' '.join(arguments)}" if arguments else ""
        raise UsageError(f"{what}{given}.")


_COMMANDS = {
    "train": _Command(
        "[FLAGS]",
        "train an agent",
        "Ends at the last step, at Ctrl-C or SIGTERM, and keeps everything in the run's folder.\n"
        "With no flags, trains the default agent on a small task, in a few minutes.\n\n"
        "  quinoa train --env=control:walker:walk --steps=1000000 --num_actors=4\n"
        "  quinoa train --set learning_rate=3e-4 --set batch_size=128 --seed=1",
        _train_flags,
        _train,
    ),
    "evaluate": _Command(
        "RUN [FLAGS]",
        "play episodes with what a run has learned",
        "RUN is the folder of a run; its newest checkpoint is played.",
        _evaluate_flags,
        _evaluate,
    ),
    "plot": _Command(
        "RUN... [FLAGS]",
        "draw the learning curves of runs",
        "Runs of the same agent and environment become one line, their median, and a band from\n"
        "the least to the greatest.",
        _plot_flags,
        _plot,
    ),
    "policy": _Command(
        "RUN [FLAGS]",
        "draw actions of a run's policy in one state",
        "RUN is the folder of a run; its newest checkpoint is drawn, dimension against dimension,\n"
        "with the density of the actions.",
        _policy_flags,
        _policy,
    ),
    "list": _Command("", "show agents and environments", "", flags.FlagValues, _list),
}


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
            "quinoa COMMAND --help says more of a command.",
        ]
    )


def _help(name: str, command: _Command, values: flags.FlagValues) -> str:
    lines = [
        f"usage: quinoa {name} {command.usage}".rstrip(),
        "",
        f"quinoa {name}: {command.about}.",
    ]
    if command.details:
        lines += ["", command.details]
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
        lines += textwrap.wrap(text, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
