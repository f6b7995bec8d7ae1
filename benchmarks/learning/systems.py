"""The systems that learn, each a command that is run to its end and watched."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers
from benchmarks.learning.curve import Evaluation
from benchmarks.measure import BenchmarkError
from benchmarks.training import end, training
from quinoa import tables
from quinoa.launch.errors import RunError
from quinoa.launch.run import columns
from quinoa.launch.run.counts import ACTOR_STEPS
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

_POLL_S = 2.0
_LOG_CHARACTERS = 2000


class Setting(NamedTuple):
    """What is learned, and how it is evaluated.

    Attributes:
        task: as `quinoa train --env` has it: `gym:ID` or `control:DOMAIN:TASK`.
        seed: of everything random.
        steps: environment steps of a system that has a gradient step for each.
        period: steps from one evaluation to the next.
        episodes: of an evaluation, of the policy where it does not sample.
    """

    task: str
    seed: int
    steps: int
    period: int
    episodes: int


@dataclasses.dataclass(frozen=True)
class Quinoa:
    """`quinoa train`, whose evaluator works beside the learner and takes its share of the cores.

    Attributes:
        name: of the agent and its settings.
        flags: of `quinoa train`, all but those of the setting.
        steps_per_update: environment steps for each gradient step, as the flags have it. A run has
            this many times the setting's steps, and so about as many gradient steps as a peer's.
    """

    name: str
    flags: Sequence[str]
    steps_per_update: int = 1

    def steps(self, updates: int) -> int:
        """Environment steps of a run of so many gradient steps, about."""
        return updates * self.steps_per_update

    def learn(self, setting: Setting) -> Generator[Evaluation, None, None]:
        """Learns from the beginning to the end; yields each evaluation when it is there.

        Raises:
            BenchmarkError: the command failed; the message has the end of what it said.
        """
        began, num_seen = time.time(), 0
        with training(
            *self.flags,
            *(
                f"--env={setting.task}",
                f"--seed={setting.seed}",
                f"--steps={self.steps(setting.steps)}",
            ),
            f"--evaluation_period={setting.period}",
            f"--evaluation_episodes={setting.episodes}",
        ) as run:
            is_running = True
            while is_running:
                # Asked before the evaluations are read, so that the last ones are among them.
                is_running = run.is_running
                evaluations = _evaluations(run.folder, began)
                yield from evaluations[num_seen:]
                num_seen = len(evaluations)
                if is_running:
                    time.sleep(_POLL_S)


def _evaluations(folder: RunFolder, began: float) -> list[Evaluation]:
    try:
        rows = tables.metrics(folder, Role.EVALUATOR)
    except RunError:
        # There is none yet.
        return []
    moments = rows[columns.WALL_TIME] - began, rows[ACTOR_STEPS], rows[columns.EPISODE_RETURN]
    return [
        Evaluation(float(s), int(n), float(value)) for s, n, value in zip(*moments, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class StableBaselines:
    """An algorithm of Stable-Baselines3 or SBX with its authors' settings.

    Attributes:
        name: whose it is, and which algorithm.
        environment: .venv-ENVIRONMENT has it, which scripts/peers.sh makes.
        algorithm: MODULE.CLASS.
        threads: PyTorch's; None is what it takes itself.
    """

    name: str
    environment: str
    algorithm: str
    threads: int | None = None

    def steps(self, updates: int) -> int:
        """See `Quinoa.steps`."""
        return updates

    def learn(self, setting: Setting) -> Generator[Evaluation, None, None]:
        """See `Quinoa.learn`."""
        command = [
            *map(str, (peers.interpreter(self.environment), peers.FOLDER / "learning_curve.py")),
            *(f"--algorithm={self.algorithm}", f"--task={setting.task}", f"--seed={setting.seed}"),
            *(f"--steps={setting.steps}", f"--period={setting.period}"),
            f"--episodes={setting.episodes}",
            *([] if self.threads is None else [f"--threads={self.threads}"]),
        ]
        with (
            tempfile.TemporaryDirectory(prefix="quinoa-bench-") as root,
            _Command(command, Path(root)) as running,
        ):
            for _ in running.polls():
                for line in running.new_lines():
                    # Libraries may print as well.
                    if line.startswith("{"):
                        said = json.loads(line)
                        yield Evaluation(said["seconds"], said["steps"], said["return"])


System = Quinoa | StableBaselines


class _Command:
    """A command that runs in a folder, which gets its output."""

    def __init__(self, command: Sequence[str], folder: Path):
        """Starts it there, as MuJoCo writes its warnings to a file in the current folder."""
        self._command, self._output, self._errors = command, folder / "output", folder / "errors"
        self._num_read = 0
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
            )

    def __enter__(self) -> _Command:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            end(self._process)

    def polls(self) -> Iterator[None]:
        """Every few seconds while it runs, and once after its end.

        Raises:
            BenchmarkError: it failed.
        """
        while (status := self._process.poll()) is None:
            yield
            time.sleep(_POLL_S)
        if status:
            said = self._output.read_bytes() + b"\n" + self._errors.read_bytes()
            end = said.decode(errors="replace").strip()[-_LOG_CHARACTERS:]
            raise BenchmarkError(f"{' '.join(self._command)} failed:\n{end}")
        yield

    def new_lines(self) -> list[str]:
        """The whole lines that it has written since the last call."""
        with self._output.open("rb") as output:
            output.seek(self._num_read)
            written = output.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._num_read += len(whole)
        return whole.decode(errors="replace").splitlines()
