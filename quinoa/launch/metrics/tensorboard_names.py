"""What TensorBoard calls each metric, and the charts that it draws of them.

A tag is a group and a name. The groups are the questions that one has of a run: `learning` (what
does the policy get?), `policy` and `value` (what is it like?), `loss` (is it being trained?),
`throughput` (how fast, and who waits for whom?) and `system` (is everything well?).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboard.plugins.custom_scalar import layout_pb2

# Tags of what the run does as a whole, which the counter adds up.
ACTING_RATE = "throughput/actor_steps_per_second"
LEARNING_RATE = "throughput/learner_steps_per_second"
UPDATES_PER_STEP = "throughput/updates_per_actor_step"

_RETURN = "learning/evaluation_return"
_RETURN_MIN, _RETURN_MAX = f"{_RETURN}_min", f"{_RETURN}_max"
_LENGTH = "learning/evaluation_length"
_ACTOR_RETURN = "learning/actor_return"
_ACTOR_LENGTH = "learning/actor_length"
_ONE_ACTOR_RATE = "throughput/one_actor_steps_per_second"
_WAITING = "throughput/learner_waiting"
_REPLAY_SIZE = "system/replay_size"
_PARAMETER_AGE = "system/parameter_age"

# By role and column; None is not a scalar.
_TAGS: Mapping[str, Mapping[str, str | None]] = {
    "evaluator": {
        "episode_return": _RETURN,
        "episode_return_std": f"{_RETURN}_std",
        "episode_return_min": _RETURN_MIN,
        "episode_return_max": _RETURN_MAX,
        "episode_length": _LENGTH,
        "episodes": "learning/evaluation_episodes",
        "dropped_episodes": "system/evaluation_dropped_episodes",
        "truncated_episodes": "system/evaluation_truncated_episodes",
    },
    "actor": {
        "actor": None,  # which one it is
        "episode_return": _ACTOR_RETURN,
        "episode_length": _ACTOR_LENGTH,
        "episodes": "learning/actor_episodes",
        "steps_per_second": _ONE_ACTOR_RATE,
        "parameter_age": _PARAMETER_AGE,
        "stale_steps": "system/stale_steps",
        "dropped_episodes": "system/dropped_episodes",
        "truncated_episodes": "system/truncated_episodes",
    },
    "learner": {
        "steps_per_second": LEARNING_RATE,
        "waiting": _WAITING,
        "replay_size": _REPLAY_SIZE,
        "skipped_steps": "system/skipped_steps",
        "rollbacks": "system/rollbacks",
        "skipped_checkpoints": "system/skipped_checkpoints",
        "checkpoint_seconds": "system/checkpoint_seconds",
    },
}
# What an agent measures of itself has names of its own.
_LOSS = re.compile(r"(loss|gradient_norm)(/|_|$)")
_VALUE = re.compile(r"(value|target|td|q|critic|advantage)\d*(/|_|$)")

_TITLES = {
    "learning": "1. Learning: what the policy gets",
    "policy": "2. Policy: how it chooses",
    "value": "3. Value and loss",
    "throughput": "4. Throughput: how fast, and who waits",
    "system": "5. System: is everything well",
}


def tag(role: str, column: str) -> str | None:
    """The tag of a column of a role's metrics; None if it is no scalar to be drawn."""
    if role == "supervisor":
        return f"system/{column}"
    if role not in _TAGS:
        return f"{role}/{column}"
    known = _TAGS[role]
    if column in known or role != "learner":
        return known.get(column, f"{role}/{column}")
    if _LOSS.match(column):
        return f"loss/{column}"
    return f"{'value' if _VALUE.match(column) else 'policy'}/{column}"


def layout(learner_columns: Iterable[str]) -> layout_pb2.Layout:
    """The charts of TensorBoard's custom scalars, in the order of the questions.

    Args:
        learner_columns: of the learner's metrics: what an agent measures has a chart each.
    """
    from tensorboard.plugins.custom_scalar import layout_pb2

    tags = [known for column in learner_columns if (known := tag("learner", column)) is not None]

    def lines(title: str, *of: str) -> layout_pb2.Chart:
        content = layout_pb2.MultilineChartContent(tag=[f"{re.escape(each)}$" for each in of])
        return layout_pb2.Chart(title=title, multiline=content)

    def one_each(*groups: str) -> list[layout_pb2.Chart]:
        return [lines(each, each) for each in sorted(tags) if each.partition("/")[0] in groups]

    band = layout_pb2.MarginChartContent.Series(value=_RETURN, lower=_RETURN_MIN, upper=_RETURN_MAX)
    charts: dict[str, Sequence[layout_pb2.Chart]] = {
        "learning": [
            layout_pb2.Chart(
                title="Return of an evaluation: mean, least and greatest",
                margin=layout_pb2.MarginChartContent(series=[band]),
            ),
            lines("Return: evaluation, and actors as they learn", _RETURN, _ACTOR_RETURN),
            lines("Length of an episode (actions)", _LENGTH, _ACTOR_LENGTH),
        ],
        "policy": one_each("policy"),
        "value": one_each("value", "loss"),
        "throughput": [
            lines("Steps per second: all actors, learner", ACTING_RATE, LEARNING_RATE),
            lines("Gradient steps for each actor step", UPDATES_PER_STEP),
            lines("Share of its time that the learner waits for replay", _WAITING),
            lines("Steps per second of each actor", _ONE_ACTOR_RATE),
        ],
        "system": [
            lines("Transitions in replay", _REPLAY_SIZE),
            lines("Age of the actors' parameters (gradient steps)", _PARAMETER_AGE),
            lines("Restarts of processes, since the start", "system/restarts"),
            lines(
                "Episodes dropped, gradient steps skipped, rollbacks",
                "system/dropped_episodes",
                "system/skipped_steps",
                "system/rollbacks",
            ),
        ],
    }
    return layout_pb2.Layout(
        category=[
            layout_pb2.Category(title=_TITLES[group], chart=of) for group, of in charts.items()
        ]
    )
