import json

import pytest

from quinoa.launch.run.counts import ACTOR_STEPS, EPISODES, LEARNER_STEPS, Counts

COUNTS = Counts(actor_steps=3, learner_steps=2, episodes=1)


def test_counts_are_themselves_again_after_json():
    written = json.dumps(COUNTS.to_json())
    assert json.loads(written) == {ACTOR_STEPS: 3, LEARNER_STEPS: 2, EPISODES: 1}
    assert Counts.from_json(json.loads(written)) == COUNTS


def test_a_missing_count_is_zero_and_another_name_is_ignored():
    assert Counts.from_json({ACTOR_STEPS: 5, "more": "text"}) == Counts(actor_steps=5)


@pytest.mark.parametrize("counts", [{EPISODES: "many"}, {EPISODES: None}, {EPISODES: 1e999}, 3])
def test_what_is_no_count_is_an_error(counts):
    with pytest.raises((AttributeError, OverflowError, TypeError, ValueError)):
        Counts.from_json(counts)


def test_counts_add_up():
    assert COUNTS + Counts(episodes=4) == Counts(actor_steps=3, learner_steps=2, episodes=5)
    assert sum([COUNTS, COUNTS], Counts()) == Counts(actor_steps=6, learner_steps=4, episodes=2)


def test_only_counts_of_nothing_are_false():
    assert not Counts()
    assert Counts(episodes=1)
