import pytest

from agents.protocol import AgentConfig
from launch import sizing


def choose(config=None, **changes):
    arguments = {"num_actors": 2, "cores": 2, "gpu": False, **changes}
    return sizing.choose(config or AgentConfig(), **arguments)


def test_a_small_machine_needs_few_environments():
    assert choose() == sizing.Sizes(2, 50, 2)


@pytest.mark.parametrize(
    "changes", [{"gpu": True}, {"cores": 64}, {"config": AgentConfig(samples_per_insert=4.0)}]
)
def test_a_faster_learner_and_a_lower_ratio_need_more_environments(changes):
    assert choose(**changes).environments_per_actor > choose().environments_per_actor


def test_more_actors_need_fewer_environments_each():
    few, many = (choose(gpu=True, num_actors=count) for count in (1, 64))
    assert few.environments_per_actor > many.environments_per_actor == 2


def test_actors_that_no_ratio_holds_share_calls_among_the_most():
    config = AgentConfig(samples_per_insert=0.0)
    assert choose(config).environments_per_actor == 64
    assert choose(config, num_actors=64).environments_per_actor == 64


def test_what_is_given_stays():
    given = {"environments_per_actor": 3, "steps_per_call": 7, "learner_threads": 5}
    assert choose(gpu=True, **given) == sizing.Sizes(**given)


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_is_none(hidden):
    assert not sizing.has_gpu({"CUDA_VISIBLE_DEVICES": hidden})
