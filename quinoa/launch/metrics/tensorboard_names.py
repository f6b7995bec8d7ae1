"""What TensorBoard calls each metric, and the charts that it draws of them.

A tag is a group and a name. The groups are the questions that one has of a run: `learning` (what
does the policy get?), `policy` and `value` (what is it like?), `loss` (is it being trained?),
`throughput` (how fast, and who waits for whom?) and `system` (is everything well?).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from quinoa.launch.run import columns
from quinoa.launch.run.counts import EPISODES
from quinoa.launch.run.roles import Role

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
    Role.EVALUATOR: {
        columns.EPISODE_RETURN: _RETURN,
        columns.EPISODE_RETURN_STD: f"{_RETURN}_std",
        columns.EPISODE_RETURN_MIN: _RETURN_MIN,
        columns.EPISODE_RETURN_MAX: _RETURN_MAX,
        columns.EPISODE_LENGTH: _LENGTH,
        EPISODES: "learning/evaluation_episodes",
        columns.DROPPED_EPISODES: "system/evaluation_dropped_episodes",
        columns.TRUNCATED_EPISODES: "system/evaluation_truncated_episodes",
    },
    Role.ACTOR: {
        columns.ACTOR: None,  # which one it is
        columns.EPISODE_RETURN: _ACTOR_RETURN,
        columns.EPISODE_LENGTH: _ACTOR_LENGTH,
        EPISODES: "learning/actor_episodes",
        columns.STEPS_PER_SECOND: _ONE_ACTOR_RATE,
        columns.PARAMETER_AGE: _PARAMETER_AGE,
        columns.STALE_STEPS: "system/stale_steps",
        columns.DROPPED_EPISODES: "system/dropped_episodes",
        columns.TRUNCATED_EPISODES: "system/truncated_episodes",
    },
    Role.LEARNER: {
        columns.STEPS_PER_SECOND: LEARNING_RATE,
        columns.WAITING: _WAITING,
        columns.REPLAY_SIZE: _REPLAY_SIZE,
        columns.SKIPPED_STEPS: "system/skipped_steps",
        columns.ROLLBACKS: "system/rollbacks",
        columns.SKIPPED_CHECKPOINTS: "system/skipped_checkpoints",
        columns.CHECKPOINT_SECONDS: "system/checkpoint_seconds",
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
    if role == Role.SUPERVISOR:
        return f"system/{column}"
    if role not in _TAGS:
        return f"{role}/{column}"
    known = _TAGS[role]
    if column in known or role != Role.LEARNER:
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

    tags = [known for column in learner_columns if (known := tag(Role.LEARNER, column)) is not None]

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
