"""What is required of an agent that learns from demonstrations alone."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from quinoa.agents.demonstration_agent import DemonstrationAgent
from quinoa.launch.checks.base import Check, require
from quinoa.launch.run.columns import LOG_LIKELIHOOD

_STEPS = 3


@dataclasses.dataclass(frozen=True)
class DemonstrationSubject:
    """The agent that is checked.

    Attributes:
        agent_class: its class.
        config: its settings.
        demonstrations: what it is checked on.
        seed: of everything random.
    """

    agent_class: type[DemonstrationAgent]
    config: Any
    demonstrations: str
    seed: int

    def make(self) -> DemonstrationAgent:
        """A new agent."""
        return self.agent_class(self.config, self.demonstrations, self.seed)


class _EndedError(Exception):
    """What ends a gradient step early."""


def _nothing() -> None:
    pass


def _end() -> None:
    raise _EndedError


def _learn(agent: DemonstrationAgent, steps: int) -> list[Mapping[str, float | None]]:
    return [agent.gradient_step(_nothing) for _ in range(steps) if not agent.is_over]


def loads(subject: DemonstrationSubject) -> str:
    """Demonstrations are loaded when it is made."""
    return subject.make().described()


def learns(subject: DemonstrationSubject) -> str:
    """A gradient step counts, and gives the same metrics as the others."""
    agent = subject.make()
    rows = _learn(agent, _STEPS)
    require(len(rows) > 0, "is_over is true before the first gradient step: it must be false.")
    require(
        agent.steps == len(rows),
        f"steps is {agent.steps} after {len(rows)} gradient steps: add 1 in gradient_step.",
    )
    for row in rows:
        require(
            row.keys() == rows[0].keys() and LOG_LIKELIHOOD in row,
            f"gradient_step gives {', '.join(row)}: it must give the same names at each step, "
            f"{LOG_LIKELIHOOD} among them.",
        )
    require(not agent.not_finite(), "weights are NaN or infinite after a few gradient steps.")
    return f"{LOG_LIKELIHOOD} {rows[0][LOG_LIKELIHOOD]:.4g} at the first of them"


def measures(subject: DemonstrationSubject) -> str:
    """What is held out is measured under the names that the agent says."""
    agent = subject.make()
    _learn(agent, 1)
    found = agent.evaluate(_nothing)
    require(
        set(found) == set(agent.measures),
        f"evaluate gives {', '.join(found) or 'nothing'}, and measures says "
        f"{', '.join(agent.measures) or 'nothing'}: both must be the same.",
    )
    return ", ".join(found) or "nothing is held out"


def ends_early(subject: DemonstrationSubject) -> str:
    """A gradient step that is ended early leaves all as it was."""
    agent, other = subject.make(), subject.make()
    try:
        agent.gradient_step(_end)
    except _EndedError:
        pass
    else:
        return "it cannot be ended early: it never calls before_each"
    require(agent.steps == 0, "steps has grown by a gradient step that was ended early.")
    _learn(agent, _STEPS)
    _learn(other, _STEPS)
    require(
        np.array_equal(agent.weights, other.weights),
        "a gradient step that before_each ended has changed what is learned after it.",
    )
    return ""


def continues(subject: DemonstrationSubject) -> str:
    """What is restored from a checkpoint learns what it would have learned, bit for bit."""
    whole, first, second = subject.make(), subject.make(), subject.make()
    _learn(whole, 2 * _STEPS)
    _learn(first, _STEPS)
    with tempfile.TemporaryDirectory() as folder:
        path = first.save(str(Path(folder) / "learner"))
        note = second.restore(path)
    _learn(second, whole.steps - first.steps)
    require(
        note is not None or np.array_equal(second.weights, whole.weights),
        "what is restored learns something else than what was saved: have state give all that "
        "learning continues from.",
    )
    return note or ""


CHECKS = (
    Check("it loads its demonstrations", loads, is_needed=True),
    Check("it learns", learns, is_needed=True),
    Check("it measures what is held out", measures),
    Check("a gradient step can be ended early", ends_early),
    Check("it continues from a checkpoint", continues),
)
