"""A run of `quinoa train` in processes of its own, which a check starts and watches."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from quinoa.launch.checks.base import CheckError, require
from quinoa.launch.machine import interpreter
from quinoa.launch.run import status
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.run_folder import RunFolder

# Seconds from the start to the first gradient step, at most, and from the signal to the end.
START_S, STOP_S = 240.0, 60.0
# More steps than a short run can do.
STEPS = 10**9
_LOOK_S = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSubject:
    """What is run, of any kind.

    Attributes:
        agent: its name.
        seconds: how long, from the first gradient step.
        inherited: the environment variables that the run is started with.
        settings: of the agent, `NAME=VALUE` each.
        seed: of everything random.
        folder: that the run starts in.
    """

    agent: str
    seconds: float
    inherited: Mapping[str, str]
    settings: Sequence[str] = ()
    seed: int = 0
    folder: Path = dataclasses.field(default_factory=Path.cwd)


class RunProcess:
    """The process that a run was started as, and the run's folder."""

    def __init__(self, popen: subprocess.Popen[bytes], folder: RunFolder, output: Path) -> None:
        self._popen = popen
        self._folder = folder
        self._output = output

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    @property
    def status(self) -> int | None:
        """That it has ended with; None before."""
        return self._popen.returncode

    @property
    def counts(self) -> Counts:
        """What the run has counted so far; zeros before it has begun."""
        found = status.read(self._folder.status)
        return Counts() if found is None else found.counts

    def wait(self, seconds: float, condition: Callable[[], bool] = lambda: False) -> None:
        """Waits for it to end or a condition to hold, at most so long."""
        deadline = time.monotonic() + seconds
        while self.is_running and not condition() and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """Has it stop in order, if it still runs.

        Raises:
            CheckError: it does not, or its status is not 0.
        """
        if not self.is_running:
            return
        self._popen.send_signal(signal.SIGTERM)
        self.wait(STOP_S)
        require(not self.is_running, f"the run did not stop within {STOP_S:.0f} s of SIGTERM")
        self.require_success("when it was told to stop")

    def require_success(self, when: str) -> None:
        """Raises `CheckError` where the status that it has ended with is not 0."""
        code = self._popen.returncode
        require(code == 0, f"the run ended with status {code} {when}: {self.last_line}")

    @property
    def last_line(self) -> str:
        """The last thing that it has said, without its progress bar."""
        text = self._output.read_text(encoding="utf-8", errors="replace")
        lines = [line.rpartition("\r")[2].strip() for line in text.splitlines()]
        said = [line for line in lines if line]
        return said[-1] if said else "it said nothing"

    def kill(self) -> None:
        """Kills it and all that it has started."""
        if self.is_running:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


@contextlib.contextmanager
def started(subject: RunSubject, flags: Sequence[str], folder: RunFolder) -> Iterator[RunProcess]:
    """Starts a run; nothing of it is left when the block ends.

    Args:
        subject: what is run.
        flags: of `quinoa train`, without those of the agent, its seed and the folder.
        folder: of the run. What it says is in a file beside that.
    """
    output = folder.root.with_name(f"{folder.root.name}.txt")
    command = interpreter.command(
        "quinoa.launch.cli",
        "train",
        f"--agent={subject.agent}",
        f"--seed={subject.seed}",
        f"--folder={folder.root}",
        *flags,
    )
    with output.open("w", encoding="utf-8") as file:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for this process, which ends the run in any case.
            start_new_session=True,
            env=dict(subject.inherited),
            cwd=subject.folder,
        )
    process = RunProcess(popen, folder, output)
    try:
        yield process
    finally:
        process.kill()


@contextlib.contextmanager
def kept_if_it_fails() -> Iterator[Path]:
    """Gives an empty folder for runs, which stays, and is named, only where a check fails."""
    parent = Path(tempfile.mkdtemp(prefix="quinoa-check-"))
    try:
        yield parent
    except CheckError as error:
        raise CheckError(f"{error} (the run is kept in {parent})") from error
    except BaseException:
        shutil.rmtree(parent, ignore_errors=True)
        raise
    shutil.rmtree(parent, ignore_errors=True)
