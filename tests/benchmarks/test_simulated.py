import time

from absl.testing import absltest
from dm_env import test_utils

from benchmarks import simulated
from quinoa import environments


class SimulatedTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return simulated.Simulated(0, step_s=0.0)


def test_a_step_takes_its_time_and_it_has_a_name():
    environment = environments.make("benchmarks.simulated:make", 0)
    timestep = environment.reset()
    start = time.perf_counter()
    for _ in range(5):
        timestep = environment.step([0.0] * 6)
    assert time.perf_counter() - start >= 5 * simulated.STEP_S
    assert not timestep.last()
