import pytest

from benchmarks import replay_server
from benchmarks.growth import actors
from benchmarks.setting import TASK


@pytest.mark.parametrize(
    ("num_cores", "counts"), [(1, [1, 2]), (2, [1, 2, 4]), (4, [1, 2, 4, 8]), (6, [1, 2, 4, 8, 16])]
)
def test_processes_are_doubled_up_to_twice_the_cores_at_least(num_cores, counts):
    assert actors.process_counts(num_cores) == counts


def test_an_actor_and_a_bare_environment_step():
    service = replay_server.serve(TASK, "iq", segment_length=4)
    acting = actors.act(
        TASK, "iq", segment_length=4, address=next(service), num_environments=1, seconds=0.02
    )
    bare = actors.step_bare(TASK, seconds=0.02)
    for each in (acting, bare):
        assert next(each) > 0.0
        assert next(each) > 0.0
    acting.close()
    del service
