"""`quinoa check`: checks a user's agent or environment."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from absl import flags

from quinoa import user_modules
from quinoa.launch.checks.matching import DEFAULT_ENVIRONMENT, FINITE_ENVIRONMENT, MadeWith
from quinoa.launch.commands.base import (
    FAILED,
    OK,
    Command,
    UsageError,
    define_number,
    expect,
    telling_what_is_lost,
)
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment.stored_names import demonstrations_path
from quinoa.launch.machine import lean_imports, process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import say
from quinoa.suggestions import did_you_mean

if TYPE_CHECKING:
    from quinoa.agents.registry import LoadedConfig
    from quinoa.launch.checks.base import Check, Finding, SubjectT


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string(
        "env",
        None,
        "For an agent: the environment that it is checked on; by default "
        f"{DEFAULT_ENVIRONMENT}, or {FINITE_ENVIRONMENT} where it takes a finite set of actions.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "demonstrations",
        None,
        "For an agent that learns from demonstrations alone: those that it is checked on.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "set",
        [],
        "For an agent: one of its settings, NAME=VALUE; may be given several times.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "seconds",
        60.0,
        "How long the run lasts that comes last, from its first gradient step; 0 leaves it out.",
        lower_bound=0.0,
        flag_values=values,
    )
    define_number(values, "action_repeat", 1, "Environment steps that each action lasts.")
    define_number(values, "seed", 0, "Seed of everything random.", least=0)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    start = StartFolder()
    expect(arguments, 1, "check takes one agent or environment (see quinoa check --help)")
    inherited = process_environment.set_for_this_process()
    lean_imports.install()
    # Files' absolute paths, as they are loaded repeatedly and code may change the folder.
    (name,) = map(user_modules.absolute, arguments)
    if values.env is not None:
        values["env"].value = user_modules.absolute(values.env)
    if values.demonstrations is not None:
        values["demonstrations"].value = demonstrations_path(values.demonstrations)
    start_time = time.monotonic()
    with telling_what_is_lost(lambda: "the checks that are left have not been run."):
        if is_environment(name):
            _refuse(values, "an environment", "set", "env", "demonstrations")
            count, failed = _check_environment(name, values, inherited, start)
        else:
            count, failed = _check_agent(name, values, inherited, start)
    seconds = time.monotonic() - start_time
    if failed:
        say(f"{failed} of {count} checks failed ({seconds:.0f} s).")
        return FAILED
    say(f"All {count} checks passed ({seconds:.0f} s).")
    return OK


def _refuse(values: flags.FlagValues, of_what: str, *names: str) -> None:
    """Raises `UsageError` where a flag is given that the checks make no use of."""
    for name in names:
        if values[name].present:
            raise UsageError(f"The checks of {of_what} make no use of --{name}: leave it out.")


def is_environment(name: str) -> bool:
    """Whether a name is an environment's; otherwise it may be an agent's.

    Raises:
        ExperimentError: it is both.
    """
    from quinoa import environments
    from quinoa.environments import plugins
    from quinoa.launch.experiment.stored_names import agent_path

    if environments.is_built_in(name):
        return True
    as_environment = name in plugins.names(plugins.ENVIRONMENTS)
    if as_environment and name in plugins.names(plugins.AGENTS):
        raise ExperimentError(
            f"{name!r} is an agent and an environment: give the import path of one (quinoa list)."
        )
    if as_environment:
        return True
    module_name, colon, attribute = agent_path(name).partition(":")
    if not colon:
        return False
    try:
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException:
        # The environment's checks will report the error.
        return True
    return attribute not in getattr(module, "PRESETS", {})


def _check_agent(
    name: str, values: flags.FlagValues, inherited: Mapping[str, str], start: StartFolder
) -> tuple[int, int]:
    from quinoa import environments
    from quinoa.agents import registry
    from quinoa.agents.config import DemonstrationConfig

    try:
        # Refuses an unknown agent before TensorFlow is imported, which takes seconds.
        found = registry.load_config(name)
        if issubclass(found.config_class, DemonstrationConfig):
            return _check_demonstration_agent(found, values, inherited, start)
    except registry.InvalidAgentError:
        # There is one, and the first check says what is wrong with it.
        pass
    except registry.UnknownAgentError as error:
        raise ExperimentError(f"{error}{did_you_mean(name, environments.known_names())}") from error
    _refuse(values, "an agent with actors", "demonstrations")
    from quinoa.agents import graphs
    from quinoa.launch.checks import agent, matching, short_run
    from quinoa.launch.checks.base import Finding, run_checks
    from quinoa.launch.checks.subject import AgentSubject
    from quinoa.launch.commands.running.new_experiment import configured

    try:
        loaded = registry.load(name)
    except registry.InvalidAgentError as error:
        say(f"Checking {name}")
        show(Finding("it is a module with Agent and Config", str(error)))
        return 1, 1
    config = configured(loaded.config, values.set)
    environment, spec = matching.environment_for(loaded, values.env, _made_with(values))
    say(f"Checking the agent {name} on {environment}")
    show(Finding("it is a module with Agent and Config", None))
    subject = AgentSubject(loaded._replace(config=config), spec, values.seed)
    with graphs.run_as_traced():
        count, failed = run_checks(agent.CHECKS, subject, show)
    return _and_run(
        count + 1,
        failed,
        values,
        short_run.CHECK,
        short_run.ShortRun(
            agent=name,
            config=config,
            settings=tuple(values.set),
            environment=environment,
            seconds=values.seconds,
            action_repeat=values.action_repeat,
            seed=values.seed,
            inherited=inherited,
            folder=start.path,
        ),
    )


def _check_demonstration_agent(
    loaded: LoadedConfig,
    values: flags.FlagValues,
    inherited: Mapping[str, str],
    start: StartFolder,
) -> tuple[int, int]:
    """Checks an agent that learns from demonstrations alone."""
    from quinoa.agents import registry
    from quinoa.launch.checks import demonstration_agent, demonstration_run
    from quinoa.launch.checks.base import run_checks
    from quinoa.launch.commands.running.new_experiment import configured

    _refuse(values, "an agent without actors", "env", "action_repeat")
    if values.demonstrations is None:
        raise ExperimentError(
            f"The agent {loaded.name} learns from demonstrations alone: say which ones it is to be "
            "checked on, --demonstrations=FILE."
        )
    agent_class = registry.load_demonstration_agent(loaded.name)
    say(f"Checking the agent {loaded.name} on {values.demonstrations}")
    subject = demonstration_agent.DemonstrationSubject(
        agent_class, configured(loaded.config, values.set), values.demonstrations, values.seed
    )
    count, failed = run_checks(demonstration_agent.CHECKS, subject, show)
    run = demonstration_run.DemonstrationRun(
        agent=loaded.name,
        demonstrations=values.demonstrations,
        seconds=values.seconds,
        inherited=inherited,
        settings=tuple(values.set),
        seed=values.seed,
        folder=start.path,
    )
    return _and_run(count, failed, values, demonstration_run.CHECK, run)


def _check_environment(
    name: str, values: flags.FlagValues, inherited: Mapping[str, str], start: StartFolder
) -> tuple[int, int]:
    from quinoa import environments as environments_
    from quinoa.agents import registry
    from quinoa.launch.checks import environment, matching, short_run
    from quinoa.launch.checks.base import run_checks

    subject = environment.EnvironmentSubject(name, values.seed, values.action_repeat)
    has_finite_actions = False
    try:
        with contextlib.closing(subject.make()) as made:
            has_finite_actions = made.action_spec().dtype.kind == "i"
    except environments_.UnknownEnvironmentError as error:
        raise ExperimentError(str(error)) from error
    except environments_.InvalidEnvironmentError:
        # There is one, and the first check says what is wrong with it.
        pass
    say(f"Checking the environment {name}")
    count, failed = run_checks(environment.CHECKS, subject, show)
    agent: str | None = registry.DEFAULT_AGENT
    if has_finite_actions and values.seconds and not failed:
        agent = matching.agent_for(matching.spec_of(name, _made_with(values)))
    if agent is None:
        say(
            "note    no short run follows, as no built-in agent takes a finite set of actions: "
            f"quinoa check AGENT --env={name} makes one with an agent of your own."
        )
        return count, failed
    return _and_run(
        count,
        failed,
        values,
        short_run.CHECK,
        short_run.ShortRun(
            agent=agent,
            config=registry.load(agent).config,
            environment=name,
            seconds=values.seconds,
            action_repeat=values.action_repeat,
            seed=values.seed,
            inherited=inherited,
            folder=start.path,
        ),
    )


def _and_run(
    count: int, failed: int, values: flags.FlagValues, check: Check[SubjectT], subject: SubjectT
) -> tuple[int, int]:
    """Adds a short run to the checks, if all others passed and a run is wanted."""
    from quinoa.launch.checks.base import run_check

    if failed or not values.seconds:
        return count, failed
    finding = run_check(check, subject)
    show(finding)
    return count + 1, int(finding.error is not None)


def _made_with(values: flags.FlagValues) -> MadeWith:
    return MadeWith(values.seed, values.action_repeat)


def show(finding: Finding) -> None:
    """Prints the result of a check in one line."""
    if finding.error is not None:
        say(f"FAILED  {finding.name}: {finding.error}")
    elif finding.remark:
        say(f"ok      {finding.name} ({finding.remark})")
    else:
        say(f"ok      {finding.name}")


COMMAND = Command(
    "AGENT|ENVIRONMENT [FLAGS]",
    "check an agent or environment of your own",
    "Checks what training requires of it, a line each, and says what to change; ends with a\n"
    "short run of all processes. The status is 0 if all checks pass, 1 if one fails, and 2 if\n"
    "there is no such agent or environment.\n\n"
    "  quinoa check my_package.my_agent --env=control:walker:walk\n"
    "  quinoa check my_package.my_module:my_factory --seconds=0",
    _flags,
    _run,
)
