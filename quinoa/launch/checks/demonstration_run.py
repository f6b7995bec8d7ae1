"""A short run of an agent that learns from demonstrations alone: it is killed, and continues."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal

import numpy as np

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
from quinoa.launch.checks import run_process
from quinoa.launch.checks.base import Check, require
from quinoa.launch.checks.run_process import RunProcess, RunSubject
from quinoa.launch.run import process_list
from quinoa.launch.run import result as run_result
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

# Seconds from one checkpoint to the next: it is killed after the first.
_CHECKPOINT_S = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemonstrationRun(RunSubject):
    """What is run, of an agent that learns from demonstrations alone.

    Attributes:
        demonstrations: what it learns from.
    """

    demonstrations: str


def runs(subject: DemonstrationRun) -> str:
    """Killed, it continues from its checkpoint to what it would have learned, bit for bit."""
    with run_process.kept_if_it_fails() as parent:
        cut, whole = RunFolder(parent / "killed"), RunFolder(parent / "whole")
        was_killed = _run_and_kill(subject, cut)
        found = _checkpoint(cut)
        steps = found.counts().learner_steps
        limit = run_process.START_S + 2 * subject.seconds
        with _started(subject, whole, steps) as process:
            process.wait(limit)
            require(not process.is_running, f"{steps} gradient steps took more than {limit:.0f} s")
            process.require_success("when nobody had told it to stop")
        expected = _checkpoint(whole)
        require(
            expected.counts().learner_steps == steps,
            f"it was over after {expected.counts().learner_steps} gradient steps where it had done "
            f"{steps} before: is_over must follow from the state alone",
        )
        require(
            np.array_equal(found.policy_parameters(), expected.policy_parameters()),
            "a run that was killed and continued has other weights than one that was not, after "
            f"{steps} gradient steps: have state give all that learning continues from",
        )
    how = "killed once" if was_killed else "too fast to be killed"
    return f"{steps} gradient steps, {how}"


def _run_and_kill(subject: DemonstrationRun, folder: RunFolder) -> bool:
    """A run whose learner is killed once, if it lasts long enough for that; says whether it did."""
    with _started(subject, folder, run_process.STEPS) as process:
        process.wait(run_process.START_S, lambda: process.counts.learner_steps > 0)
        require(
            not process.is_running or process.counts.learner_steps > 0,
            f"{run_process.START_S:.0f} s from the start there was no gradient step: give fewer "
            "demonstrations",
        )
        process.wait(
            subject.seconds / 2, lambda: len(learner_checkpoints.all_of(folder.checkpoints)) > 0
        )
        _kill_learner(process, folder)
        process.wait(subject.seconds / 2)
        process.stop()
        # One that was over before it was told to stop.
        process.require_success("by itself")
    result = run_result.read(folder.result)
    # A run that ends with status 0 has said how.
    assert result is not None
    restarts = sum(result.restarts.values())
    require(
        restarts <= 1,
        f"the learner was killed once, and started again {restarts} times: the files in "
        f"{folder.logs} say why",
    )
    return restarts == 1


def _kill_learner(process: RunProcess, folder: RunFolder) -> None:
    if process.is_running and learner_checkpoints.all_of(folder.checkpoints):
        learners = [
            node
            for node in process_list.read(folder.processes).nodes
            if node.role is Role.LEARNER and node.pid
        ]
        for learner in learners:
            with contextlib.suppress(ProcessLookupError):
                os.kill(learner.pid, signal.SIGKILL)


def _checkpoint(folder: RunFolder) -> Checkpoint:
    newest, damaged = learner_checkpoints.newest_whole(folder.checkpoints)
    require(newest is not None and not damaged, "the run left no whole checkpoint")
    assert newest is not None
    return newest


def _started(
    subject: DemonstrationRun, folder: RunFolder, steps: int
) -> contextlib.AbstractContextManager[RunProcess]:
    flags = (
        f"--demonstrations={subject.demonstrations}",
        f"--steps={steps}",
        f"--checkpoint_period={_CHECKPOINT_S}",
        *(f"--set={text}" for text in subject.settings),
    )
    return run_process.started(subject, flags, folder)


CHECK: Check[DemonstrationRun] = Check(
    "a short run learns, is killed, and continues as if it had not been", runs
)
