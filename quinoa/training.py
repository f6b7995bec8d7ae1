"""Training from Python: `quinoa.train`, and `quinoa.resume`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa.launch.engines import DEFAULT_ENGINE, ENGINES

if TYPE_CHECKING:
    from quinoa.callbacks import Callback
    from quinoa.environments.source import EnvironmentSource
    from quinoa.experiment import Experiment
    from quinoa.run import Run
    from quinoa.session import Session


def train(
    agent: str | Experiment | None = None,
    *,
    env: Any = None,
    env_kwargs: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    engine: str = DEFAULT_ENGINE,
    folder: str | os.PathLike[str] | None = None,
    callbacks: Callback | Sequence[Callback] = (),
    progress: bool = True,
    wait: bool = True,
    **options: Any,
) -> Run:
    """Trains an agent, as `quinoa train` does.

        run = quinoa.train("iq", env="gym:Pendulum-v1", steps=20_000, learning_rate=3e-4)

    Ctrl-C stops the run after it has saved, and this function returns; a second Ctrl-C ends the run
    at once.

    Args:
        agent: a name (`quinoa.list_agents()`), an import path or a file; or an `Experiment`, and
            then without `env`, `env_kwargs`, `settings` and `options`.
        env: see `Experiment`.
        env_kwargs: see `Experiment`.
        settings: see `Experiment`.
        engine: `local` runs many processes on this machine; `ray` runs them on the hosts of the Ray
            cluster that this machine is a host of, until this program ends; `serial` runs
            everything in this process, and reproduces results bit for bit.
        folder: the run's folder; by default a new one in `runs/`.
        callbacks: a function or several, each called with the `Run` and an `Event` at each report
            (about twice a second) and each evaluation. If one returns False, the run is stopped; if
            one raises, the run is stopped and the error is raised here.
        progress: whether to show the progress, in a terminal or a notebook.
        wait: whether to return when the run has ended, instead of when it has started. In the
            latter case use `Run.wait`, `Run.stop` and `Run.status`.
        **options: see `Experiment`.

    Returns:
        The run.

    Raises:
        ExperimentError: the experiment is invalid; no folder is left.
        TrainingError: the run has failed; its folder is kept. With the serial engine, errors of
            users' code are raised as they are.
    """
    from quinoa.experiment import Experiment
    from quinoa.launch.errors import ExperimentError

    if isinstance(agent, Experiment):
        if env is not None or env_kwargs or settings or options:
            raise ExperimentError(
                "An Experiment has its environment and options already: give them when you make it."
            )
        experiment = agent
    else:
        experiment = Experiment(agent, env=env, env_kwargs=env_kwargs, settings=settings, **options)
    return experiment.train(
        engine=engine, folder=folder, callbacks=callbacks, progress=progress, wait=wait
    )


def resume(
    run: str | os.PathLike[str] | Run,
    *,
    env: Any = None,
    env_kwargs: Mapping[str, Any] | None = None,
    change: Sequence[str] = (),
    replay: bool = False,
    engine: str = DEFAULT_ENGINE,
    callbacks: Callback | Sequence[Callback] = (),
    progress: bool = True,
    wait: bool = True,
    **options: Any,
) -> Run:
    """Resumes a run that has ended in any way, as `quinoa train --resume` does.

        quinoa.resume("runs/RUN", steps=100_000)

    Args:
        run: the run, or its folder.
        env: the environment, if it was given as an object, which a run cannot store.
        env_kwargs: keyword arguments of the environment's constructor that get other values.
        change: names of what is allowed to differ from the run's start, besides `options`.
        replay: whether to restore replay's contents from its last checkpoint; by default replay
            starts empty.
        engine: see `train`.
        callbacks: see `train`.
        progress: see `train`.
        wait: see `train`.
        **options: flags of `quinoa train` with new values, by name.

    Returns:
        The run.

    Raises:
        ExperimentError: the run cannot be resumed in this way; it is unchanged.
        RunError: the run's folder is damaged.
        TrainingError: see `train`.
    """
    from quinoa.environments.errors import InvalidEnvironmentError
    from quinoa.environments.source import environment_source
    from quinoa.experiment import as_text, check_options, env_texts
    from quinoa.launch.errors import ExperimentError
    from quinoa.run import Run

    opened = run if isinstance(run, Run) else Run(run)
    try:
        environment = opened.given_environment if env is None else environment_source(env)
    except InvalidEnvironmentError as error:
        raise ExperimentError(str(error)) from error
    check_options(options)
    changed = [*change, *options, *(["env_kwargs"] if env_kwargs else [])]
    texts = [f"--resume={opened.path}", f"--engine={engine}", *env_texts(env_kwargs or {})]
    texts += [f"--{name}={as_text(value)}" for name, value in options.items()]
    texts += [f"--resume_replay={str(replay).lower()}"]
    if changed:
        texts.append(f"--change={','.join(changed)}")
    return make_session(texts, environment, engine, callbacks, progress).start(wait=wait)


def make_session(
    texts: Sequence[str],
    environment: EnvironmentSource | None,
    engine: str,
    callbacks: Callback | Sequence[Callback],
    progress: bool,
) -> Session:
    """Makes a session, whose run is not started yet.

    Args:
        texts: flags of `quinoa train`, as on the command line.
        environment: the source of the environment; None if the flags name it.
        engine: the engine's name.
        callbacks: one callback, or several.
        progress: whether to show the progress.
    """
    from quinoa.run import Run
    from quinoa.session import Session

    def make_run(root: Path) -> Run:
        return Run(root, environment=environment, session=session)

    session = Session(
        texts=texts,
        environment=environment,
        callbacks=[callbacks] if callable(callbacks) else list(callbacks),
        progress=progress,
        in_this_process=engine in ENGINES and ENGINES[engine].is_one_process,
        make_run=make_run,
    )
    return session
