import pytest

from quinoa.launch.engines.ray import placement
from quinoa.launch.errors import ExperimentError
from quinoa.launch.run.roles import Role
from tests.launch.helpers import experiment


def test_the_learner_gets_its_threads_and_a_gpu_where_there_is_one():
    of = experiment(learner_threads=3)
    assert placement.needs(Role.LEARNER, of, actor_cpus=1.0, has_gpus=False) == {"CPU": 3.0}
    assert placement.needs(Role.LEARNER, of, actor_cpus=1.0, has_gpus=True) == {
        "CPU": 3.0,
        "GPU": 1.0,
    }


@pytest.mark.parametrize("role", [Role.ACTOR, Role.EVALUATOR])
def test_what_acts_gets_the_share_of_a_core_that_was_asked_for(role):
    assert placement.needs(role, experiment(), actor_cpus=0.25, has_gpus=True) == {"CPU": 0.25}


def test_a_cluster_without_the_cores_for_one_actor_is_refused():
    of = experiment(learner_threads=2)
    # 2 of the learner, 1 of replay, 0.1 of the counter, 0.5 each of the actor and the evaluator.
    placement.check({"CPU": 4.1}, of, actor_cpus=0.5)
    with pytest.raises(ExperimentError, match=r"takes 4\.1 processor cores.*has 4: add hosts"):
        placement.check({"CPU": 4.0}, of, actor_cpus=0.5)


@pytest.mark.parametrize(
    ("there", "has_gpus"),
    [({"CPU": 3.0}, False), ({"CPU": 8.0}, True), ({"CPU": 3.0, "GPU": 1.0}, True), ({}, False)],
)
def test_a_host_that_alone_has_the_folder_needs_room_for_learner_replay_and_counter(
    there, has_gpus
):
    """Otherwise they would wait for ever for a place there."""
    of = experiment(learner_threads=2)
    with pytest.raises(ExperimentError, match=r"takes 3\.1 processor cores.*a --folder that all"):
        placement.check_host(there, of, has_gpus=has_gpus)
    placement.check_host({"CPU": 3.1, "GPU": 1.0}, of, has_gpus=has_gpus)
