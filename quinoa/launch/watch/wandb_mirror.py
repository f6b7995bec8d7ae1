"""Copies a run's metrics to Weights & Biases, where `--wandb` asks for it.

A thread of the main process reads what the run has written to its files, and passes it on under
the tags that TensorBoard has. So the run never waits for Weights & Biases, even when that
fails; and it works where the run's processes have a network of their own. Its own library finds the
credentials, where `wandb login` has put them; nothing of them is written here.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from quinoa.launch.errors import ExperimentError
from quinoa.launch.metrics import tensorboard_names
from quinoa.launch.metrics.saved_rows import NewRows
from quinoa.launch.run.columns import TIME_COLUMNS
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS
from quinoa.launch.run.roles import METRIC_ROLES, Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from quinoa.launch.terminal.output import say
from quinoa.launch.watch.background import beside

_ROLES = (*METRIC_ROLES, Role.SUPERVISOR)
# Seconds from one look at the files to the next, and that the run's end waits for the last of it.
_PERIOD_S = 5.0
_START_S = 0.1
_CLOSE_S = 60.0
_OFFLINE = ("offline", "dryrun", "disabled")


def check() -> None:
    """Finds out whether there is a library, and an account, without asking the user anything.

    Raises:
        ExperimentError: there is none; it says what to do.
    """
    wandb = _library()
    if os.environ.get("WANDB_MODE", "online") not in _OFFLINE and not wandb.api.api_key:
        raise ExperimentError(
            "--wandb has no account to write to: run wandb login first, or set WANDB_MODE=offline "
            "to write to the run's folder."
        )


@contextlib.contextmanager
def mirrored(folder: RunFolder, project: str | None) -> Iterator[None]:
    """Passes on what a run writes, for as long as the context lasts.

    Whatever fails of it costs one note, and nothing else.

    Args:
        folder: of the run, which may be a resumed one.
        project: at Weights & Biases; None does nothing.
    """
    if project is None:
        yield
        return
    with beside(
        functools.partial(_mirror, folder, project),
        "wandb",
        close_s=_CLOSE_S,
        on_late=lambda: _note(f"it has not taken the last rows within {_CLOSE_S:.0f} s"),
    ):
        yield


def _mirror(folder: RunFolder, project: str, done: threading.Event) -> None:
    try:
        while not folder.experiment.is_file():
            if done.wait(_START_S):
                return
        settings = read_json(folder.experiment)["experiment"]
        axis = ACTOR_STEPS if settings["environment"] else LEARNER_STEPS
        run = _start(folder, project, settings, axis)
        files = {role: NewRows(folder.metrics(role)) for role in _ROLES}
        is_over = False
        while not is_over:
            is_over = done.wait(_PERIOD_S)
            _pass_on(run, files, axis)
        run.finish(quiet=True)
    except Exception as error:
        _note(f"{type(error).__name__}: {error}".splitlines()[0])


def _start(folder: RunFolder, project: str, settings: Mapping[str, Any], axis: str) -> Any:
    wandb = _library()
    run = wandb.init(
        project=project,
        name=folder.root.name,
        dir=str(folder.root),
        config=settings,
        # What is on the terminal, which code and which machine is our user's to tell.
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_machine_info=True,
            x_disable_stats=True,
        ),
    )
    run.define_metric(axis, hidden=True)
    run.define_metric("*", step_metric=axis)
    return run


def _pass_on(run: Any, files: Mapping[Role, NewRows], axis: str) -> None:
    for role, file in files.items():
        for cells in file.read():
            row = {name: value for name, value in cells.items() if value is not None}
            tagged = {
                tag: value
                for name, value in row.items()
                if name not in TIME_COLUMNS
                and (tag := tensorboard_names.tag(role, name)) is not None
            }
            run.log({**tagged, axis: int(row[axis])})


def _library() -> ModuleType:
    """Imports it, and has it say nothing on the terminal."""
    os.environ.setdefault("WANDB_SILENT", "true")
    try:
        import wandb
    except ImportError as error:
        raise ExperimentError(
            "--wandb needs the library of Weights & Biases, which is not installed: "
            "pip install 'wandb<0.28' 'protobuf<5' (later ones need another protobuf than "
            "TensorFlow here)."
        ) from error
    logging.getLogger("wandb").setLevel(logging.CRITICAL)
    library: ModuleType = wandb
    return library


def _note(text: str) -> None:
    say(
        f"quinoa: note: Weights & Biases: {text}. The run continues without it; its metrics are in "
        "its folder.",
        sys.stderr,
    )
