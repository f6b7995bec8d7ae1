"""Does to a real run what befalls runs.

Every fault is followed by a look at whether the run goes on, and how far its learner fell back; the
run's end by one at every transition that replay holds, at the curves, and at what was learned.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.chaos import environment, report
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.run_under_test import NotSurvivedError, RunUnderTest, started
from tests.launch.helpers import nodes_of

# What a disk of its own holds: the least that a run is begun with, and room for this one.
_DISK_MIB = 1300


def run(
    out: Path,
    *,
    minutes: float,
    faults: int,
    pause_s: float,
    steps: int | None,
    step_s: float,
    seed: int,
    engine: str = "local",
) -> bool:
    """Starts a run and does things to it; returns whether it has survived them all.

    Args:
        out: a folder for the table, and for the run's own folder if it did not survive.
        minutes: after which no fault is begun.
        faults: the most that there are to be.
        pause_s: the least seconds from the beginning of one to that of the next.
        steps: actor steps after which the run must end by itself; None has it told to stop.
        step_s: what a step of an environment takes, in seconds.
        seed: of which come when.
        engine: that of the run, local or ray.
    """
    out.mkdir(parents=True, exist_ok=True)
    log = report.Report(out)
    with tempfile.TemporaryDirectory(prefix="quinoa-chaos-") as temporary:
        commands = Path(temporary, "commands")
        commands.mkdir()
        os.environ[environment.COMMANDS] = str(commands)
        begin = _on_hosts if engine == "ray" else _on_this_machine
        with begin(Path(temporary), log, steps=steps, step_s=step_s) as (subject, kinds):
            try:
                rng = random.Random(seed)
                deadline = time.monotonic() + 60 * minutes
                for fault in itertools.islice(_order(kinds, rng), faults):
                    start = time.monotonic()
                    if start > deadline or subject.has_reached_its_limit():
                        break
                    _inflict(subject, fault, rng, log)
                    log.sample(subject)
                    time.sleep(max(start + pause_s - time.monotonic(), 0.0))
                log.end(subject)
            except AssertionError as error:
                log.fail(f"The run did not survive: {error}")
                shutil.copytree(subject.folder.root, out / "run", dirs_exist_ok=True)
            else:
                if left := nodes_of(subject.folder.root):
                    log.fail(f"{len(left)} processes were left.")
    log.write(_command())
    return log.is_survived


@contextlib.contextmanager
def _on_this_machine(
    temporary: Path, log: report.Report, *, steps: int | None, step_s: float
) -> Iterator[tuple[RunUnderTest, Sequence[Fault]]]:
    """A run of the local engine, and what can be done to it."""
    with _disk(temporary / "disk") as (disk, is_own):
        if not is_own:
            log.note("The disk was not filled: only root can give the run one of its own.")
        kinds = [fault for fault in FAULTS if is_own or not fault.needs_disk]
        with started(disk / "run", temporary / "commands", steps=steps, step_s=step_s) as subject:
            yield subject, kinds


@contextlib.contextmanager
def _on_hosts(
    temporary: Path, log: report.Report, *, steps: int | None, step_s: float
) -> Iterator[tuple[RunUnderTest, Sequence[Fault]]]:
    """A run of the Ray engine over several hosts, and what can be done to it."""
    del log
    # Only here: it needs an environment with Ray.
    from tests.chaos import cluster_faults, cluster_run

    with cluster_run.started(temporary, steps=steps, step_s=step_s) as subject:
        yield subject, cluster_faults.FAULTS


def _order(faults: Sequence[Fault], rng: random.Random) -> Iterator[Fault]:
    """Each kind as often as its weight says, in random order, and so on from the beginning.

    First one of each, so that a short run has them all.
    """
    yield from rng.sample(faults, len(faults))
    while True:
        all_of_them = [fault for fault in faults for _ in range(fault.weight)]
        yield from rng.sample(all_of_them, len(all_of_them))


def _inflict(subject: RunUnderTest, fault: Fault, rng: random.Random, log: report.Report) -> None:
    saved = subject.saved_steps()
    before = subject.gradient_steps()
    start = time.monotonic()
    try:
        with _lowest_steps(subject) as lowest:
            fault.inflict(subject, rng)
            subject.wait_until_going_on()
    except Exception as error:
        if subject.has_reached_its_limit():
            return
        log.add(fault.name, None, 0)
        raise NotSurvivedError(f"{fault.name}: {error}") from error
    log.add(fault.name, time.monotonic() - start, max(before - lowest[0], 0))
    # The status may be behind the checkpoints: the learner reports to a new counter when it hears
    # that there is one.
    if lowest[0] < min(saved, before):
        raise NotSurvivedError(
            f"{fault.name}: the learner went back from {before} to {lowest[0]} gradient steps, and "
            f"its checkpoint had {saved}."
        )


@contextlib.contextmanager
def _lowest_steps(subject: RunUnderTest) -> Iterator[list[int]]:
    """The least gradient steps that the run's status shows meanwhile."""
    lowest = [subject.gradient_steps()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            counts = subject.counts()
            if counts is not None:
                lowest[0] = min(lowest[0], counts[1])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lowest
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[tuple[Path, bool]]:
    """A folder, on a small disk of its own where this user may mount one; whether it is that."""
    path.mkdir()
    mounted = (
        os.getuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "chaos", str(path)],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    try:
        yield path, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def _command() -> str:
    return " ".join(["python -m tests.chaos", *sys.argv[1:]])
