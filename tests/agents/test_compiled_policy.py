import gc
import weakref

import numpy as np
import psutil

from quinoa.agents.compiled_policy import CompiledPolicy
from tests.agents.test_actor import Fixed, make_policy


def test_acting_keeps_no_memory():
    """TensorFlow does keep every Python number that it makes a tensor of: 0.7 kB a step."""
    act = CompiledPolicy(make_policy()).actions((1, 5), seed=0, sample=True)
    observation = np.zeros((1, 5), np.float32)
    process = psutil.Process()

    def grown_by(steps):
        before = process.memory_info().rss
        for step in steps:
            act(observation, step)
        return process.memory_info().rss - before

    grown_by(range(500))
    # What is kept shows in each of these; what earlier tests left behind, in none or some.
    grown = [grown_by(range(start, start + 2000)) for start in (500, 2500, 4500)]
    assert min(grown) < 2**19, grown


def test_a_policy_is_compiled_once_and_not_kept_alive():
    policy = Fixed(0.5)
    for seed in range(3):
        CompiledPolicy(policy).samples((3, 5), seed=seed)
    assert policy.num_traces == 1
    act = CompiledPolicy(policy).actions((1, 5), seed=0, sample=False)
    assert policy.num_traces == 2
    reference = weakref.ref(policy)
    del policy
    gc.collect()
    np.testing.assert_array_equal(act(np.zeros((1, 5), np.float32), 0), [[0.5, 0.5]])
    del act
    gc.collect()
    assert reference() is None
