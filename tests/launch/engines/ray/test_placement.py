import pytest

from quinoa.launch.engines.ray import placement
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine.sizing import LearnerHost
from quinoa.launch.run.roles import Role
from tests.launch.engines.ray import fake_ray
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


@pytest.mark.parametrize(
    ("hosts", "num_actors", "threads"),
    [
        # Replay and the counter take 1.1 of the learner's host.
        ([{"CPU": 8.0}, {"CPU": 8.0}], 2, 6),
        ([{"CPU": 2.0}, {"CPU": 16.0}, {"CPU": 64.0}], 2, 62),
        # One with a GPU, where there is one.
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}], 2, 6),
        # All actors and the evaluator have their cores: 16 - 8 - 1.1.
        ([{"CPU": 8.0}, {"CPU": 8.0}], 7, 6),
        ([{"CPU": 8.0}, {"CPU": 8.0}], 9, 4),
        # More actors than there is room for wait for it, and the learner does not.
        ([{"CPU": 8.0}], 100, 1),
        ([{"CPU": 5.0}], 1, 1),
    ],
)
def test_a_learner_of_unsaid_size_gets_what_its_host_has_beside_what_it_needs_itself(
    hosts, num_actors, threads
):
    of = experiment(learner_threads=None, num_actors=num_actors)
    found = placement.learner_threads(hosts, hosts, of, actor_cpus=1.0)
    assert found == threads
    if num_actors < 100:
        sized = experiment(learner_threads=found, num_actors=num_actors)
        placement.check({"CPU": sum(each["CPU"] for each in hosts)}, sized, actor_cpus=1.0)


def test_a_learner_that_can_be_on_one_host_alone_gets_no_more_than_that_has():
    hosts = [{"CPU": 4.0}, {"CPU": 64.0}]
    of = experiment(learner_threads=None)
    assert placement.learner_threads(hosts, hosts[:1], of, actor_cpus=0.5) == 2
    placement.check_host(hosts[0], experiment(learner_threads=2), has_gpus=False)


@pytest.mark.parametrize(("given", "threads"), [(None, 6), (3, 3)])
def test_the_host_that_a_learner_will_have_is_one_with_a_gpu_that_is_alive(
    monkeypatch, given, threads
):
    ray = fake_ray.install(monkeypatch)
    vars(ray)["nodes"] = lambda: [
        {"Alive": False, "Resources": {}},
        {"Alive": True, "Resources": {"CPU": 64.0}},
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}},
    ]
    of = experiment(learner_threads=given)
    assert placement.learner_host(of, actor_cpus=1.0) == LearnerHost(threads, gpu=True)
