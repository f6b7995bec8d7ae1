"""What a paper says of the lines of its figure, and whether it holds of the runs here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from quinoa.launch.analysis import scores
from quinoa.launch.analysis.run_groups import Groups
from quinoa.launch.sweep.paper_figures import Claim

if TYPE_CHECKING:
    import pandas as pd

# A run's score is the mean return of so many of its last evaluations: of 20 by default, a quarter.
_LAST = 5

YES, NO, UNDECIDED = "yes", "no", "undecided"


def verdict(relation: str, ours: Sequence[float], others: Sequence[float]) -> str:
    """Whether a relation holds between the scores of two lines, each with a score for each seed.

    Few seeds decide little, so where the ranges of two lines overlap, nothing is said of which is
    better:

    - `better`: yes if each score is above every one of the other line, no if each is below.
    - `worse`: the same with the lines in each other's place.
    - `at least`: no if each score is below every one of the other line; yes if the median is not
      below the other's.
    - `alike`: yes if the median of each line is within the range of the other, no if the ranges are
      apart.

    Args:
        relation: one of these.
        ours: the scores of the line.
        others: those of the one that it is compared with.

    Returns:
        `YES`, `NO` or `UNDECIDED`.

    Raises:
        ValueError: there is no such relation.
    """
    if relation == "worse":
        return verdict("better", others, ours)
    is_above, is_below = min(ours) > max(others), max(ours) < min(others)
    median, other_median = float(np.median(ours)), float(np.median(others))
    if relation == "better":
        holds, fails = is_above, is_below
    elif relation == "at least":
        holds, fails = median >= other_median, is_below
    elif relation == "alike":
        within = min(others) <= median <= max(others) and min(ours) <= other_median <= max(ours)
        holds, fails = within, is_above or is_below
    else:
        raise ValueError(f"There is no relation {relation!r} of two lines.")
    return YES if holds else NO if fails else UNDECIDED


def table(claims: Sequence[Claim], runs: Groups) -> pd.DataFrame:
    """Compares the lines of each claim in each of its environments where both have runs.

    Args:
        claims: of the figure.
        runs: by environment and label.

    Returns:
        The columns environment, claim, line, relation, other, then median, min, max and runs of the
        line's final scores, the same of the other's (`other median` and so on), and holds.

    Raises:
        RunError: a run has no evaluations, or they are damaged.
    """
    import pandas as pd

    rows = []
    for environment, labels in runs.items():
        finals = {
            label: [scores.final_score(run, _LAST)[0] for run in of_label]
            for label, of_label in labels.items()
        }
        for claim in claims:
            if not claim.is_of(environment) or not {claim.line, claim.other} <= finals.keys():
                continue
            ours, others = finals[claim.line], finals[claim.other]
            rows.append(
                {
                    "environment": environment,
                    "claim": claim.text,
                    "line": claim.line,
                    "relation": claim.relation,
                    "other": claim.other,
                    **_spread(ours),
                    **{f"other {name}": value for name, value in _spread(others).items()},
                    "holds": verdict(claim.relation, ours, others),
                }
            )
    return pd.DataFrame(rows)


def _spread(finals: Sequence[float]) -> dict[str, float | int]:
    return {
        "median": float(np.median(finals)),
        "min": min(finals),
        "max": max(finals),
        "runs": len(finals),
    }
