import os

import pytest

from quinoa.agents.protocol import OffPolicyConfig, OnPolicyConfig
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import sizing

ROW_WIDTH = 43


def choose(config=None, *, num_actors=2, cores=2, gpu=False):
    host = sizing.LearnerHost(cores, gpu)
    return sizing.choose(config or OffPolicyConfig(), num_actors=num_actors, host=host)


def test_a_small_machine_needs_few_environments():
    assert choose() == sizing.Sizes(2, 50, 2)


@pytest.mark.parametrize(
    "changes", [{"gpu": True}, {"cores": 64}, {"config": OffPolicyConfig(samples_per_insert=4.0)}]
)
def test_a_faster_learner_and_a_lower_ratio_need_more_environments(changes):
    assert choose(**changes).environments_per_actor > choose().environments_per_actor


def test_more_actors_need_fewer_environments_each():
    few, many = (choose(gpu=True, num_actors=count) for count in (1, 64))
    assert few.environments_per_actor > many.environments_per_actor == 2


def test_actors_that_no_ratio_holds_share_calls_among_the_most():
    config = OffPolicyConfig(samples_per_insert=0.0)
    assert choose(config).environments_per_actor == 64
    assert choose(config, num_actors=64).environments_per_actor == 64


@pytest.mark.parametrize(
    ("batch_size", "segment_length", "num_actors", "environments"),
    [(256, 16, 2, 8), (64, 4, 1, 16), (96, 8, 3, 4), (24, 4, 4, 1), (4096, 4, 2, 64)],
)
def test_environments_of_an_on_policy_agent_make_up_a_batch(
    batch_size, segment_length, num_actors, environments
):
    config = OnPolicyConfig(batch_size=batch_size, segment_length=segment_length)
    sizes = choose(config, num_actors=num_actors)
    assert (sizes.environments_per_actor, sizes.steps_per_call) == (environments, 1)


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_is_none(hidden):
    assert not sizing.has_gpu({"CUDA_VISIBLE_DEVICES": hidden})


def needs(*, is_one_process, **changes):
    experiment = Experiment(
        agent="any", agent_config=OffPolicyConfig(), environment="any", **changes
    )
    return sizing.needs(experiment, 4 * ROW_WIDTH, is_one_process=is_one_process)


def test_a_run_needs_memory_for_its_processes_and_its_replay():
    small = needs(is_one_process=True, steps=1_000)
    large = needs(is_one_process=True, steps=10_000_000)
    assert (small.cores, large.cores) == (1, 1)
    # A row of float32 a transition, and no more than replay holds.
    assert large.memory - small.memory == (1_000_000 - 1_000) * 4 * ROW_WIDTH
    many = needs(is_one_process=False, steps=1_000, num_actors=8)
    assert many.cores == 9
    assert many.memory > 8 * small.memory


def test_as_many_runs_at_once_as_cores_and_memory_bear():
    demands = [sizing.Needs(1, 1e9), sizing.Needs(2, 3e9)]
    assert sizing.runs_at_once(demands, cores=16, memory=1e12) == 8
    assert sizing.runs_at_once(demands, cores=16, memory=16e9) == 4
    assert sizing.runs_at_once(demands, cores=1, memory=1e9) == 1


def test_the_memory_of_a_container_is_what_its_limit_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(sizing, "_CGROUP", tmp_path)
    free = sizing.usable_memory()
    assert free > 0
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert sizing.usable_memory() == 700
    # What holds files that were read is free for others.
    (tmp_path / "memory.stat").write_text("anon 50\ninactive_file 200\nactive_file 50\n")
    assert sizing.usable_memory() == 900
    (tmp_path / "memory.max").write_text("max\n")
    assert sizing.usable_memory() > 900


def test_the_cores_of_a_container_are_as_many_as_its_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(sizing, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert sizing.usable_cores() == 8
    for quota, cores in (("150000", 2), ("50000", 1), ("1600000", 8), ("max", 8)):
        (tmp_path / "cpu.max").write_text(f"{quota} 100000\n")
        assert sizing.usable_cores() == cores
