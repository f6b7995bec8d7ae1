"""What runs are compared by: returns, or log-likelihoods where nobody acted in an environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from quinoa.launch.analysis import curves
from quinoa.launch.analysis.curves import Curve
from quinoa.launch.analysis.run_groups import ConfiguredRun
from quinoa.launch.errors import RunError
from quinoa.launch.run.columns import HELD_OUT_LOG_LIKELIHOOD, LOG_LIKELIHOOD
from quinoa.launch.run.roles import Role


class Measure(NamedTuple):
    """What runs are compared by; the more, the better.

    Attributes:
        column: its name in tables.
        text: its name for people.
        decimals: how many of them people are shown.
        default_axis: a key of `curves.AXES`: what it is drawn over unless another is asked for.
    """

    column: str
    text: str
    decimals: int
    default_axis: str

    def curve(self, run: ConfiguredRun, axis: str | None = None, smooth: int = 1) -> Curve:
        """Reads how it went in a run.

        Args:
            run: the run.
            axis: a key of `curves.AXES`; None for the default.
            smooth: see `curves.evaluations`.

        Raises:
            RunError: the run has nothing of it, or is damaged.
        """
        axis = axis or self.default_axis
        if self == RETURN:
            return curves.evaluations(run.folder, axis, smooth)
        return curves.log_likelihoods(run.folder, axis, smooth, self.column)

    def axis(self, asked: str) -> str:
        """What it is drawn over where `asked` is asked for: actor steps are 0 without actors."""
        return asked if asked != "steps" else self.default_axis


RETURN = Measure("return", "return", 1, "steps")
LEARNED_FROM = Measure(LOG_LIKELIHOOD, "mean log-likelihood", 3, "updates")
HELD_OUT = Measure(HELD_OUT_LOG_LIKELIHOOD, "mean held-out log-likelihood", 3, "updates")


def of(runs: Iterable[ConfiguredRun]) -> Measure:
    """What these runs are compared by.

    Without actors it is the log-likelihood of demonstrations that were held out, where each run
    has measured that: the other one is of what the weights were fitted to, or of a batch of it.

    Raises:
        RunError: there are returns in some only, or a run is damaged.
    """
    every = list(runs)
    having = [run for run in every if run.has_actors]
    if having and len(having) < len(every):
        raise RunError(
            f"Of these runs, {len(every) - len(having)} learned from demonstrations alone and have "
            "no returns: compare them apart from the others."
        )
    if having or not every:
        return RETURN
    return HELD_OUT if all(_has(run, HELD_OUT) for run in every) else LEARNED_FROM


def has_measured(run: ConfiguredRun) -> bool:
    """Whether a run has anything yet that it can be compared by.

    Raises:
        RunError: it is damaged.
    """
    if run.has_actors:
        return len(curves.read_curve(run.folder, Role.EVALUATOR).x) > 0
    return _has(run, LEARNED_FROM)


def _has(run: ConfiguredRun, measure: Measure) -> bool:
    found = curves.read_curve(run.folder, Role.LEARNER, measure.default_axis, measure.column)
    return len(found.x) > 0
