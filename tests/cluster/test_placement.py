"""Where Ray puts what a run reserves, and which GPUs it gives."""

from __future__ import annotations

import sys

import pytest

from tests.cluster.ray_hosts import RayHosts
from tests.deploy import ray_limits
from tests.launch.helpers import wait_until

_BEGIN = """
import collections, time, ray
from quinoa.launch.engines.ray import placement
from quinoa.launch.run.roles import Role
from tests.launch.helpers import experiment

ray.init(log_to_driver=False)
of = experiment(learner_threads=1)

def together():
    return placement.together(of, actor_cpus=0.5, has_gpus=True, on_host=None)

def reserve(role, group):
    return placement.reserve(role, of, group, actor_cpus=0.5, has_gpus=True)

group = together()
"""


@pytest.fixture(scope="module")
def cluster(_needs_ray):
    with RayHosts(2, cpus=4, gpus=2) as made:
        yield made


def lines_of(cluster: RayHosts, code: str) -> list[str]:
    printed = cluster["h1"].python(_BEGIN + code, timeout=120)
    return [line for line in printed.splitlines() if line.startswith("> ")]


def test_actors_are_spread_and_room_is_given_back(cluster):
    code = """
places = [reserve(Role.LEARNER, group).place(30)]
actors = [reserve(Role.ACTOR, group) for _ in range(6)]
print(">", *sorted(collections.Counter(actor.place(30).name for actor in actors).values()))
# More than there is room for.
many = [reserve(Role.ACTOR, group) for _ in range(20)]
print(">", reserve(Role.ACTOR, group).place(1))
for each in (*actors, *many):
    each.release()
print(">", reserve(Role.ACTOR, group).place(30) is not None)
"""
    # The services take 2.1 of the 4 cores of one host.
    assert lines_of(cluster, code) == ["> 1 5", "> None", "> True"]


def test_a_learner_is_told_the_gpu_that_ray_has_given_it_each_time_it_starts(cluster):
    code = """
groups = [group, together()]
learners = [reserve(Role.LEARNER, each) for each in groups for _ in range(2)]
for learner in learners:
    print(">", learner.place(30).name, *learner.variables().values())
print(">", reserve(Role.ACTOR, group).variables())
"""
    *given, of_actor = lines_of(cluster, code)
    assert given[0] == given[1] != given[2] == given[3]
    assert {line.split()[2] for line in given} <= {"0", "1"}
    assert of_actor == "> {}"


def test_a_host_that_dies_as_room_is_asked_for_keeps_others_from_theirs_for_a_bounded_time(
    _needs_ray,
):
    limits = ray_limits.of_recipes()
    with RayHosts(3, cpus=4, head_cpus=0, system_config=limits) as cluster:
        (h1, h2, h3), shared = cluster, cluster.shared
        code = f"""
# Ray has connections to all hosts, as in the middle of a run.
before = ray.util.placement_group([{{"CPU": 1.0}}] * 2, strategy="STRICT_SPREAD")
assert before.wait(60)
open("{shared}/ready", "w").close()
while not os.path.exists("{shared}/killed"):
    time.sleep(0.02)
lost = ray.util.placement_group([{{"node:{h3.address}": 0.001}}], strategy="PACK")
began = time.monotonic()
place = placement.Reservation(ray.util.placement_group([{{"node:{h2.address}": 0.001}}])).place(150)
print(">", place and place.name, time.monotonic() - began)
"""
        asking = h1.popen([sys.executable, "-c", "import os\n" + _BEGIN + code])
        assert wait_until((shared / "ready").exists, 60.0), asking.communicate()
        h3.kill()
        (shared / "killed").touch()
        out, err = asking.communicate(timeout=200)
        assert asking.returncode == 0, out + err
        name, seconds = out.splitlines()[-1].removeprefix("> ").split()
        assert name == "h2"
        # By itself Ray waits for two minutes.
        assert float(seconds) < ray_limits.seconds(limits)[1] + 10
