from __future__ import annotations

import pytest

from quinoa.launch.sweep.paper_figures import RELATIONS
from quinoa.launch.sweep.paper_figures.claims import NO, UNDECIDED, YES, verdict

ABOVE, BELOW, AROUND = [5.0, 6.0, 7.0], [1.0, 2.0, 3.0], [2.5, 5.5, 9.0]


@pytest.mark.parametrize(
    ("relation", "ours", "others", "expected"),
    [
        ("better", ABOVE, BELOW, YES),
        ("better", BELOW, ABOVE, NO),
        ("better", AROUND, ABOVE, UNDECIDED),
        ("better", ABOVE, ABOVE, UNDECIDED),
        ("worse", BELOW, ABOVE, YES),
        ("worse", ABOVE, BELOW, NO),
        ("worse", AROUND, BELOW, UNDECIDED),
        ("at least", ABOVE, BELOW, YES),
        ("at least", ABOVE, ABOVE, YES),
        ("at least", AROUND, ABOVE, UNDECIDED),
        ("at least", BELOW, ABOVE, NO),
        ("alike", ABOVE, AROUND, YES),
        ("alike", ABOVE, BELOW, NO),
        ("alike", BELOW, ABOVE, NO),
        # They overlap, and neither has the other's median.
        ("alike", [3.0, 4.0, 5.0], [4.5, 6.0, 7.0], UNDECIDED),
    ],
)
def test_a_relation_holds_where_the_seeds_say_so(relation, ours, others, expected):
    assert relation in RELATIONS
    assert verdict(relation, ours, others) == expected


def test_there_is_no_other_relation():
    with pytest.raises(ValueError, match="no relation 'same'"):
        verdict("same", ABOVE, BELOW)
