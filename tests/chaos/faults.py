"""What befalls runs, one function a kind. Each returns when what it did should be mended."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quinoa.launch.checkpoints import learner_checkpoints, replay_checkpoints
from quinoa.launch.run.roles import Role
from tests.chaos import environment
from tests.chaos.run_under_test import (
    REPLAY_CHECKPOINT_PERIOD_S,
    ROLES,
    STOP_S,
    RunUnderTest,
    wait_until,
)
from tests.launch.helpers import ROOT, listening_ports

# Seconds that a disk stays full: longer than it takes to want to write to it.
_FULL_S = 8.0
_MAX_JUMP_S = 10**6


@dataclasses.dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: for the table.
        inflict: does it to a run of its engine.
        weight: how often it comes, next to the others.
        needs_disk: whether it needs the run's folder to be on a disk of its own.
    """

    name: str
    inflict: Callable[[Any, random.Random], None]
    weight: int
    needs_disk: bool = False


def _kill(*names: str) -> Callable[[RunUnderTest, random.Random], None]:
    def inflict(subject: RunUnderTest, rng: random.Random) -> None:
        del rng
        _kill_and_wait(subject, names)

    return inflict


def _kill_several(subject: RunUnderTest, rng: random.Random) -> None:
    _kill_and_wait(subject, rng.sample(ROLES, rng.randint(2, 4)))


def _kill_and_wait(subject: RunUnderTest, names: tuple[str, ...] | list[str]) -> None:
    """Kills processes, and waits until each has given a sign of life, and actors have acted."""
    processes = [subject.process(name) for name in names]
    known, rows = len(subject.events()), _rows_of_actors(subject)
    for process in processes:
        process.kill()
    for name in names:
        wait_until(lambda: name in subject.back_since(known), f"{name} is back", subject)  # noqa: B023
        role, _, index = name.partition("-")
        if role == Role.ACTOR:
            wait_until(
                lambda: _rows_of_actors(subject)[index] > rows[index],  # noqa: B023
                f"{name} acts",
                subject,
            )


def _rows_of_actors(subject: RunUnderTest) -> collections.Counter[str]:
    """How many rows of metrics each actor has, by its index."""
    return collections.Counter(row["actor"] for row in subject.rows("actor"))


def _stop_and_continue(subject: RunUnderTest, rng: random.Random) -> None:
    name = rng.choice(ROLES)
    process = subject.process(name)
    process.suspend()
    time.sleep(STOP_S)
    process.resume()
    subject.wait_until_going_on()
    if subject.process(name).pid != process.pid:
        raise AssertionError(f"{name} was taken for one that hangs.")


def misbehave(kind: str) -> Callable[[RunUnderTest, random.Random], None]:
    def inflict(subject: RunUnderTest, rng: random.Random) -> None:
        del rng
        command = subject.commands / kind
        known = _dropped(subject)
        command.touch()
        wait_until(lambda: not command.exists(), f"an environment does {kind}", subject)
        wait_until(lambda: _dropped(subject) > known, "an episode is dropped", subject)

    return inflict


def _dropped(subject: RunUnderTest) -> int:
    """How many episodes have been dropped, as the metrics say."""
    rows = [*subject.rows("actor"), *subject.rows("evaluator")]
    return sum(int(row["dropped_episodes"]) for row in rows)


def hang(subject: RunUnderTest, rng: random.Random) -> None:
    del rng
    known = len(subject.events())
    command = subject.commands / environment.HANG
    command.touch()
    wait_until(lambda: not command.exists(), "an environment hangs", subject)
    wait_until(lambda: bool(subject.back_since(known)), "what hangs is started again", subject)


def _jump(subject: RunUnderTest, rng: random.Random) -> None:
    offset = rng.choice([-1, 1]) * rng.uniform(1.0, _MAX_JUMP_S)
    path = subject.commands / environment.CLOCK
    new = path.with_name(".clock")
    new.write_text(str(offset))
    new.replace(path)


def _garbage(subject: RunUnderTest, rng: random.Random) -> None:
    ports = {port for process in subject.processes().values() for port in listening_ports(process)}
    # Replay's, the counter's and the learner's.
    assert len(ports) >= 3, ports
    listener = subject.process("replay-0")
    subprocess.run(
        [
            *(sys.executable, "-m", "tests.chaos.garbage", str(listener.pid)),
            *(json.dumps(sorted(ports)), str(rng.randrange(2**31))),
        ],
        cwd=ROOT,
        check=True,
        timeout=120,
    )


def _fill_disk(subject: RunUnderTest, rng: random.Random) -> None:
    del rng
    filler = subject.folder.root.parent / "filler"
    block = bytes(2**20)
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(block)
        time.sleep(_FULL_S)
    finally:
        filler.unlink()


def _damage_checkpoint(subject: RunUnderTest, rng: random.Random) -> None:
    # So that there is one before it, and none after.
    subject.wait_for_new_checkpoints(2)
    learner = subject.process("learner-0")
    learner.suspend()
    newest = learner_checkpoints.all_of(subject.folder.checkpoints)[-1].path
    _damage(rng.choice(sorted(newest.iterdir())), rng)
    _kill_and_wait(subject, ["learner-0"])


def _damage_replay_checkpoint(subject: RunUnderTest, rng: random.Random) -> None:
    wait_until(
        lambda: bool(replay_checkpoints.all_of(subject.folder)),
        f"replay is saved every {REPLAY_CHECKPOINT_PERIOD_S:.0f} s",
        subject,
    )
    replay = subject.process("replay-0")
    replay.suspend()
    newest = replay_checkpoints.all_of(subject.folder)[-1].path
    files = [path for path in sorted(newest.rglob("*")) if path.is_file() and path.stat().st_size]
    _damage(rng.choice(files), rng)
    _kill_and_wait(subject, ["replay-0"])


def _damage(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if rng.random() < 0.5:
        del data[rng.randrange(len(data)) :]
    else:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _kill_everything(subject: RunUnderTest, rng: random.Random) -> None:
    del rng
    subject.kill_all()
    subject.resume()


# By weight, two hundred of them take about a quarter of an hour.
FAULTS = (
    *(Fault(f"SIGKILL to {name}", _kill(name), 5) for name in ROLES),
    Fault("SIGKILL to two to four at once", _kill_several, 6),
    Fault(f"SIGSTOP, SIGCONT after {STOP_S:.0f} s", _stop_and_continue, 2),
    Fault("SIGKILL to everything, then --resume", _kill_everything, 4),
    Fault("full disk", _fill_disk, 4, needs_disk=True),
    Fault("damaged checkpoint, SIGKILL to learner-0", _damage_checkpoint, 4),
    Fault("damaged replay checkpoint, SIGKILL to replay-0", _damage_replay_checkpoint, 4),
    Fault("environment raises", misbehave(environment.RAISE), 45),
    Fault("environment returns NaN", misbehave(environment.NAN), 45),
    Fault("environment returns a wrong shape", misbehave(environment.SHAPE), 45),
    Fault("environment hangs", hang, 1),
    Fault("100 connections of garbage to each port", _garbage, 15),
    Fault("clocks jump", _jump, 30),
)
