"""Runs on three tasks with known final returns."""

from __future__ import annotations

from pathlib import Path

from quinoa.launch.analysis.baseline import Scale
from tests.launch.written_runs import write_run

TASKS = ("control:a:a", "control:b:b", "control:c:c")
SCALES = dict(zip(TASKS, [Scale(0, 10), Scale(0, 20), Scale(20, 40)], strict=True))


def write_all(
    root: Path, agent: str, finals: list[float], num_runs: int = 1, spread: float = 0.0
) -> None:
    """Writes runs whose last evaluation on the i-th task is finals[i], plus `spread` per seed."""
    for task, final in zip(TASKS, finals, strict=True):
        for seed in range(num_runs):
            write_run(
                root / f"{agent}-{task[-1]}-{seed}",
                [0.0, final / 2, final + spread * seed],
                agent=agent,
                environment=task,
                seed=seed,
            )
