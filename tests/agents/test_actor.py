import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from acme import specs
from hypothesis import given, settings
from hypothesis import strategies as st

from quinoa.agents import iq
from quinoa.agents.actor import Actor, _ended
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.exploration import OrnsteinUhlenbeck
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.parameters import ParameterClient, PublishedParameters
from quinoa.agents.protocol import OffPolicyConfig, Policy
from quinoa.agents.replay import MemoryReplay, SegmentWriter, make_table
from quinoa.agents.rows import RowLayout
from quinoa.agents.types import RUNNING_RETURN, NonFiniteError, Transition
from quinoa.environments import EnvironmentBatch, FaultKind, TooManyFaultsError, environment_spec
from tests.agents.replay.helpers import as_queue, drain, serve, table_size
from tests.environments.fakes import Episode, FaultyEnvironment, ScriptedEnvironment

EPISODES = st.lists(st.builds(Episode, st.integers(1, 12), st.booleans()), min_size=1, max_size=4)
SCRIPTS = [[Episode(3)], [Episode(2, terminates=False), Episode(4)], [Episode(1)]]


class Recorder:
    """Keeps what it is given."""

    def __init__(self):
        self.transitions = []
        self.closed = False

    def append(self, transitions, valid=None):
        if valid is not None:
            transitions = Transition(*(field[valid] for field in transitions[:-1]))
        self.transitions.append(transitions)

    def close(self):
        self.closed = True


def make_batch(scripts=SCRIPTS):
    return EnvironmentBatch([ScriptedEnvironment(s, identity=i) for i, s in enumerate(scripts)])


def make_policy(seed=0):
    tf.random.set_seed(seed)
    spec = environment_spec(make_batch().environments[0])
    return iq.Agent.make_policy(iq.Config(hidden_sizes=(8,)), spec)


def run(num_steps, *, seed=0, policy=None, batch=None, **settings):
    recorder = Recorder()
    actor = Actor(
        CompiledPolicy(policy or make_policy()),
        batch or make_batch(),
        recorder,
        seed=seed,
        parameters=None,
        **settings,
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
            assert written.last[i] == (t + 1 == length)
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


def test_with_pink_noise_an_environment_does_nearly_the_same_for_several_steps():
    def changes(noise):
        actions = np.array([t.action for t in run(400, action_noise=noise)[1]])
        return np.abs(np.diff(actions, axis=0)).mean()

    assert changes("pink") < 0.7 * changes("white")


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
    policy = CompiledPolicy(Fixed())
    client = ParameterClient(published.get, policy.assign, period_s=0.01)
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


def test_close_closes_the_environments_though_the_writer_fails():
    class Broken(Recorder):
        def close(self):
            raise OSError("full")

    batch = make_batch()
    actor = Actor(CompiledPolicy(Fixed()), batch, Broken(), seed=0, parameters=None)
    with pytest.raises(OSError, match="full"):
        actor.close()
    assert all(environment._inner.closed for environment in batch.environments)


def test_what_it_writes_is_in_reverb_once():
    held = written_to_reverb(make_batch, 13)
    assert len(held) == 3 * 13
    assert sorted(held) == sorted(seen(SCRIPTS, [{}] * 3, 13))


FAULTS = st.dictionaries(
    st.integers(1, 30),
    st.sampled_from([FaultKind.RAISED, FaultKind.NOT_FINITE, FaultKind.SPEC]),
    max_size=3,
)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(EPISODES, FAULTS), min_size=1, max_size=3),
    st.integers(1, 30),
    st.integers(1, 5),
)
def test_every_good_transition_is_in_reverb_once_whatever_breaks(environments, num_steps, length):
    scripts, faults = zip(*environments, strict=True)

    def make():
        return EnvironmentBatch(
            [
                FaultyEnvironment(script, faults=of, identity=i)
                for i, (script, of) in enumerate(environments)
            ]
        )

    held = written_to_reverb(make, num_steps, length)
    assert sorted(held) == sorted(seen(scripts, faults, num_steps))


def test_the_same_is_in_the_replay_of_one_process():
    faults = {2: FaultKind.RAISED, 7: FaultKind.SPEC, 8: FaultKind.NOT_FINITE}
    batch = EnvironmentBatch(
        [
            FaultyEnvironment(script, faults=faults if i == 1 else {}, identity=i)
            for i, script in enumerate(SCRIPTS)
        ]
    )
    config = OffPolicyConfig(min_replay_size=1, batch_size=4096)
    replay = MemoryReplay(config, RowLayout(environment_spec(batch.environments[0])), seed=0)
    actor = Actor(CompiledPolicy(make_policy()), batch, replay, seed=0, parameters=None)
    steps = [actor.step() for _ in range(13)]
    expected = seen(SCRIPTS, [{}, faults, {}], 13)
    assert sum(step.num_transitions for step in steps) == len(replay) == len(expected)
    drawn = replay.sample(1)
    found = np.column_stack(
        [drawn.observation[0][:, :3], drawn.next_observation[0][:, 2], drawn.discount[0]]
    )
    assert {tuple(row) for row in found.astype(int).tolist()} == set(expected)
    # What was dropped is told, and no return is: those of the others alone.
    assert [fault.kind for step in steps for fault in step.faults] == list(faults.values())
    assert [len(step.returns) for step in steps] == [1, 1, 2, 1, 1, 3, 1, 1, 2, 2, 1, 2, 1]


def test_where_rewards_are_scaled_it_adds_the_running_return():
    """One that begins anew with every episode, also after one that was dropped."""
    batch = EnvironmentBatch(
        [
            FaultyEnvironment([Episode(4)], faults={2: FaultKind.RAISED} if i else {}, identity=i)
            for i in range(2)
        ]
    )
    config = OffPolicyConfig(min_replay_size=1)
    extras = {RUNNING_RETURN: specs.Array((), np.float32)}
    layout = RowLayout(environment_spec(batch.environments[0]), extras)
    replay = MemoryReplay(config, layout, seed=0)
    policy = CompiledPolicy(make_policy())
    actor = Actor(policy, batch, replay, seed=0, parameters=None, discount=0.5)
    for _ in range(5):
        actor.step()
    drawn = replay.sample(1)
    # The rewards of an episode e are 100 e + 1, 100 e + 2 and so on.
    expected = {0: [1.0, 2.5, 4.25, 6.125, 101.0], 1: [1.0, 101.0, 152.5, 179.25]}
    for identity, returns in expected.items():
        of_it = drawn.observation[0, :, 0] == identity
        assert sorted(set(drawn.extras[RUNNING_RETURN][0, of_it].tolist())) == sorted(set(returns))


def test_actions_that_are_not_finite_are_the_policys_fault():
    recorder = Recorder()
    policy = CompiledPolicy(Fixed(float("nan")))
    actor = Actor(policy, make_batch(), recorder, seed=0, parameters=None)
    for _ in range(3):
        step = actor.step()
        assert step.num_transitions == 0
        assert [fault.kind for fault in step.faults] == [FaultKind.ACTION] * 3
    with pytest.raises(NonFiniteError, match=r"the policy's action\[0\] is nan.* learning_rate"):
        actor.step()
    assert sum(len(written.reward) for written in recorder.transitions) == 0


def test_too_many_faults_are_an_error_of_the_environment():
    always = dict.fromkeys(range(1, 100), FaultKind.RAISED)
    batch = EnvironmentBatch([FaultyEnvironment([Episode(5)], faults=always)])
    with pytest.raises(TooManyFaultsError, match="ZeroDivisionError: broken"):
        run(100, policy=Fixed(), batch=batch)


def test_an_episode_that_is_cut_off_has_a_return_and_its_discount():
    batch = EnvironmentBatch([ScriptedEnvironment([Episode(10**6)])], max_episode_steps=4)
    steps, transitions = run(8, policy=Fixed(), batch=batch)
    assert [step.lengths for step in steps] == [[], [], [], [4]] * 2
    assert [step.truncated for step in steps] == [(), (), (), (0,)] * 2
    assert [float(written.discount[0]) for written in transitions] == [1.0] * 8
    assert [int(written.next_observation[0, 2]) for written in transitions] == [1, 2, 3, 4] * 2


def written_to_reverb(make, num_steps, segment_length=4):
    """Acts, and reads back what the replay server has got; rows as `seen` gives them."""
    config = OffPolicyConfig(segment_length=segment_length)
    spec = environment_spec(make().environments[0])
    table = make_table(config, RowLayout(spec), samples_per_insert=1.0, steps_per_call=1)
    with serve(as_queue(table)) as address:
        batch = make()
        writer = SegmentWriter(address, len(batch), config, RowLayout(spec))
        actor = Actor(CompiledPolicy(Fixed()), batch, writer, seed=0, parameters=None)
        steps = [actor.step() for _ in range(num_steps)]
        actor.close()
        # A queue that is empty would have `drain` wait.
        if not sum(step.num_transitions for step in steps):
            assert table_size(address) == 0
            return []
        held = drain(address, spec)
    rows = [
        (*where, after, discount)
        for of in held
        for where, after, discount in zip(
            of.observation[:, :3].astype(int).tolist(),
            of.next_observation[:, 2].astype(int).tolist(),
            of.discount.astype(int).tolist(),
            strict=True,
        )
    ]
    assert len(rows) == sum(step.num_transitions for step in steps)
    return rows


def seen(scripts, faults, num_steps):
    """What the actor saw: identity, episode, time, time after, discount of each transition."""
    rows = []
    for i, (script, broken) in enumerate(zip(scripts, faults, strict=True)):
        episode = t = 0
        for step in range(1, num_steps + 1):
            length, terminates = vars(script[episode % len(script)]).values()
            t += 1
            if step not in broken:
                ends = t == length
                rows.append((i, episode, t - 1, t, 0 if ends and terminates else 1))
            if step in broken or t == length:
                episode, t = episode + 1, 0
    return rows


def test_noise_is_added_to_the_policys_actions_and_begins_with_each_episode():
    """The written action is the one that was done, and episodes do not share their noise."""
    recorder, batch = Recorder(), make_batch([[Episode(3)], [Episode(1)]])
    actor = Actor(
        CompiledPolicy(Fixed(0.25)),
        batch,
        recorder,
        seed=0,
        parameters=None,
        exploration=OrnsteinUhlenbeck(0.25, 0.01),
    )
    for _ in range(3):
        actor.step()
    done = np.array([t.action for t in recorder.transitions])
    shown = np.array([t.next_observation[:, 3:] for t in recorder.transitions])
    np.testing.assert_array_equal(shown, done)
    x, same = np.zeros((2, 2)), OrnsteinUhlenbeck(0.25, 0.01).start((2, 2), seed=0)
    for step, action in enumerate(done):
        increment = same._x * -0.75 + (same.add(np.zeros((2, 2), np.float32)))
        # The second environment's every episode has one step.
        x = 0.75 * x * [[step > 0], [0.0]] + increment
        np.testing.assert_allclose(action - 0.25, x, atol=1e-6)


def test_an_episode_that_is_dropped_ends_its_noise_too():
    batch = make_batch([[Episode(5)]])
    batch.reset()
    step = batch.step(np.zeros((1, 2), np.float32))
    assert _ended(step).tolist() == [False]
    assert _ended(step._replace(valid=np.array([False]))).tolist() == [True]
