"""Training from Python: `quinoa.train`, and `quinoa.resume`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    engine: str = "local",
    folder: str | os.PathLike[str] | None = None,
    callbacks: Callback | Sequence[Callback] = (),
    progress: bool = True,
    wait: bool = True,
    **options: Any,
) -> Run:
    """Trains an agent, as `quinoa train` does.

        run = quinoa.train("iq", env="gym:Pendulum-v1", steps=20_000, learning_rate=3e-4)

    Ctrl-C ends the run in order, and this returns; a second one ends it at once.

    Args:
        agent: a name (`quinoa.list_agents()`), an import path or a file; or an `Experiment`, with
            which none of `env`, `env_kwargs`, `settings` and `options` is given.
        env: see `Experiment`.
        env_kwargs: see `Experiment`.
        settings: see `Experiment`.
        engine: `local`, many processes on this machine; or `serial`, in this very process, the same
            bit for bit each time.
        folder: where the run goes; None is a new folder in `runs/`.
        callbacks: a function or several, each called with the `Run` and an `Event` at each report
            (about twice a second) and each evaluation; False ends the run in order. What one
            raises ends it too, and is raised here.
        progress: whether to show how it goes, in a terminal or a notebook.
        wait: whether to return when the run is over, or when it has begun: then `Run.wait`,
            `Run.stop` and `Run.status` follow it.
        **options: see `Experiment`.

    Returns:
        The run.

    Raises:
        ExperimentError: it cannot be run as it is described; nothing is left of it.
        TrainingError: the run has failed, and its folder has what there was. With the serial engine
            an error of the user's own code is raised as it is.
    """
    from quinoa.experiment import Experiment
    from quinoa.launch.errors import ExperimentError

    if isinstance(agent, Experiment):
        if env is not None or env_kwargs or settings or options:
            raise ExperimentError("What an Experiment is made of is said when it is made.")
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
    change: Sequence[str] = (),
    replay: bool = False,
    engine: str = "local",
    callbacks: Callback | Sequence[Callback] = (),
    progress: bool = True,
    wait: bool = True,
    **options: Any,
) -> Run:
    """Goes on with a run that has ended, however it did, as `quinoa train --resume` does.

        quinoa.resume("runs/RUN", steps=100_000)

    Args:
        run: the folder, or the run.
        env: the environment, where the run does not keep it.
        change: what is meant to change of what the run was started with, besides `options`, which
            all are.
        replay: go on with what replay held when it was last saved, rather than empty.
        engine: see `train`.
        callbacks: see `train`.
        progress: see `train`.
        wait: see `train`.
        **options: what is different from now on, by the names of `quinoa train`.

    Returns:
        The run.

    Raises:
        ExperimentError: it cannot go on, or not so; it is left as it is.
        RunError: its folder is damaged.
        TrainingError: see `train`.
    """
    from quinoa.environments.source import environment_source
    from quinoa.experiment import as_text, check_options
    from quinoa.run import Run

    opened = run if isinstance(run, Run) else Run(run)
    environment = opened.given_environment if env is None else environment_source(env)
    check_options(options)
    changed = [*change, *options]
    texts = [f"--resume={opened.path}", f"--engine={engine}"]
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
    """A run that has yet to be started.

    Args:
        texts: flags of `quinoa train`, as they would be typed.
        environment: what was given as an environment; None is what the flags say.
        engine: its name.
        callbacks: one, or several.
        progress: whether to show how it goes.
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
        in_this_process=engine == "serial",
        make_run=make_run,
    )
    return session
