import numpy as np

from quinoa.agents import iq
from quinoa.agents.divergence import diagnose
from quinoa.agents.learner import Learner
from quinoa.agents.types import named
from tests.agents.fixtures import make_spec, make_transitions


def learner():
    config = iq.Config(batch_size=8, hidden_sizes=(16,))
    return Learner(iq.Agent, config, make_spec(), 0)


def test_a_bad_batch_is_found_among_good_ones_and_what_follows_from_it_named():
    one, superbatch = learner(), make_transitions(4, 8)
    before = one.parameters()
    superbatch.reward[2, 5] = np.inf
    found = diagnose(one, superbatch)
    assert found.startswith("the batch's reward; the losses td; the gradients of learner/agent/")
    assert "linear" in found
    assert "the variables" not in found
    # It only looks.
    np.testing.assert_array_equal(one.parameters(), before)
    assert one.steps == 0


def test_a_bad_variable_is_named_and_the_data_cleared():
    one = learner()
    variable = one.agent.policy.trainable_variables[0]
    variable.assign(np.full(variable.shape, np.nan, np.float32))
    found = diagnose(one, make_transitions(2, 8))
    assert found.startswith(f"the variables {variable.name[:-2]}; the losses td; ")
    assert "batch" not in found


def test_where_all_is_well_it_says_so():
    assert (
        diagnose(learner(), make_transitions(2, 8)) == "nothing in the batches of the latest steps"
    )


def test_long_lists_are_cut():
    assert named(["a"]) == "a"
    assert named(list("abcdefg")) == "a, b, c, d and 3 more"
