from __future__ import annotations

import pytest

from quinoa.launch.analysis.random_score import random_score
from quinoa.launch.errors import RunError
from tests.launch.factories import RANDOM_RETURN
from tests.launch.helpers import MATCH


def test_random_actions_get_what_they_should_the_same_each_time():
    score = random_score(MATCH, num_episodes=100)
    assert score == pytest.approx(RANDOM_RETURN, abs=0.5)
    assert random_score(MATCH, num_episodes=100) == score


def test_what_cannot_be_played_is_one_error():
    with pytest.raises(RunError, match="Random actions cannot be tried on nonsense"):
        random_score("nonsense")
