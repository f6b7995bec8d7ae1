import gc
import weakref

import numpy as np
import pytest
import reverb
import tensorflow as tf
import tensorflow_probability as tfp

from agents import actor as actor_lib
from agents import iq
from agents.actor import Actor
from agents.learner import flatten
from agents.parameters import ParameterClient, PublishedParameters
from agents.protocol import AgentConfig, Policy
from agents.replay import SegmentWriter, make_table
from environments import EnvironmentBatch, environment_spec
from tests.agents.replay.helpers import as_queue, drain, serve
from tests.environments.fakes import Episode, ScriptedEnvironment

SCRIPTS = [[Episode(3)], [Episode(2, terminates=False), Episode(4)], [Episode(1)]]


class Recorder:
    """Keeps what it is given."""

    def __init__(self):
        self.transitions = []
        self.closed = False

    def append(self, transitions):
        self.transitions.append(transitions)

    def close(self):
        self.closed = True


def make_batch(scripts=SCRIPTS):
    return EnvironmentBatch([ScriptedEnvironment(s, identity=i) for i, s in enumerate(scripts)])


def make_policy(seed=0):
    tf.random.set_seed(seed)
    spec = environment_spec(make_batch().environments[0])
    return iq.Agent.make_policy(iq.Config(hidden_sizes=(8,)), spec)


def run(num_steps, *, seed=0, policy=None, batch=None):
    recorder = Recorder()
    actor = Actor(
        policy or make_policy(), batch or make_batch(), recorder, seed=seed, parameters=None
    )
    steps = [actor.step() for _ in range(num_steps)]
    actor.close()
    assert recorder.closed
    return steps, recorder.transitions


def test_it_writes_what_it_saw_and_did():
    batch = make_batch()
    steps, transitions = run(13, batch=batch)
    assert [step.num_transitions for step in steps] == [3] * 13
    for i, script in enumerate(SCRIPTS):
        episode = t = 0
        for written in transitions:
            length, terminates = vars(script[episode % len(script)]).values()
            np.testing.assert_array_equal(written.observation[i, :3], [i, episode, t])
            np.testing.assert_array_equal(written.next_observation[i, :3], [i, episode, t + 1])
            # The scripted environment shows the action that it was given.
            np.testing.assert_array_equal(written.next_observation[i, 3:], written.action[i])
            assert written.reward[i] == 100 * episode + t + 1
            assert written.discount[i] == (0 if terminates and t + 1 == length else 1)
            t += 1
            if t == length:
                episode, t = episode + 1, 0
    assert all(environment.closed for environment in (e._inner for e in batch.environments))


def test_it_reports_the_episodes_that_ended():
    steps, _ = run(4)
    assert [step.lengths for step in steps] == [[1], [2, 1], [3, 1], [1]]
    assert steps[1].returns == [1.0 + 2.0, 101.0]
    assert all(type(value) is float for step in steps for value in step.returns)
    assert all(type(value) is int for step in steps for value in step.lengths)


def test_the_seed_settles_the_actions():
    def actions(seed):
        return np.array([t.action for t in run(20, seed=seed)[1]])

    np.testing.assert_array_equal(actions(1), actions(1))
    assert (actions(1) != actions(2)).any()
    # Every step has its own randomness, and so has every environment.
    assert len(np.unique(actions(1)[:, 0], axis=0)) > 10
    assert (actions(1)[:, 0] != actions(1)[:, 1]).any()


class Fixed(Policy):
    """Gives the value of its one variable, whatever it sees."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = tf.Variable(value)
        self.num_traces = 0

    def __call__(self, observation):
        self.num_traces += 1
        action = tf.fill([observation.shape[0], 2], self.value)
        return tfp.distributions.Independent(tfp.distributions.Deterministic(action), 1)


def test_new_parameters_are_used_from_the_next_step():
    published = PublishedParameters()
    published.publish(0, np.array([0.25], np.float32))
    policy = Fixed()
    client = ParameterClient(published.get, policy, period_s=0.01)
    client.wait_for_first()
    recorder = Recorder()
    actor = Actor(policy, make_batch(), recorder, seed=0, parameters=client)
    actor.step()
    published.publish(1, flatten(Fixed(-0.5)))
    while client.version < 1:
        actor.step()
    actor.close()
    assert not client._thread.is_alive()
    np.testing.assert_array_equal(recorder.transitions[0].action, np.full((3, 2), 0.25))
    np.testing.assert_array_equal(recorder.transitions[-1].action, np.full((3, 2), -0.5))


def test_a_policy_is_compiled_once_and_not_kept_alive():
    policy = Fixed(0.5)
    for seed in range(3):
        run(2, seed=seed, policy=policy)
    assert policy.num_traces == 1
    act = actor_lib.action_function(policy, (1, 5), seed=0, sample=False)
    assert policy.num_traces == 2
    reference = weakref.ref(policy)
    del policy
    gc.collect()
    np.testing.assert_array_equal(act(np.zeros((1, 5), np.float32), 0), [[0.5, 0.5]])
    del act
    gc.collect()
    assert reference() is None


def test_close_closes_the_environments_though_the_writer_fails():
    class Broken(Recorder):
        def close(self):
            raise OSError("full")

    batch = make_batch()
    actor = Actor(Fixed(), batch, Broken(), seed=0, parameters=None)
    with pytest.raises(OSError, match="full"):
        actor.close()
    assert all(environment._inner.closed for environment in batch.environments)


def test_what_it_writes_is_in_reverb_once():
    config = AgentConfig(segment_length=4)
    spec = environment_spec(make_batch().environments[0])
    table = make_table(config, spec, samples_per_insert=1.0, steps_per_call=1)
    with serve(as_queue(table)) as address:
        writer = SegmentWriter(reverb.Client(address), 3, config, spec)
        actor = Actor(make_policy(), make_batch(), writer, seed=0, parameters=None)
        for _ in range(13):
            actor.step()
        actor.close()
        held = drain(address, spec)
    where = np.concatenate([of.observation[:, :3] for of in held]).astype(int).tolist()
    assert len(where) == 3 * 13
    expected = []
    for i, script in enumerate(SCRIPTS):
        episode = t = 0
        for _ in range(13):
            expected.append([i, episode, t])
            t += 1
            if t == script[episode % len(script)].length:
                episode, t = episode + 1, 0
    assert sorted(where) == sorted(expected)
