import dm_env
import numpy as np
import pytest
from dm_env import specs
from hypothesis import given, settings
from hypothesis import strategies as st

import environments
from environments import BatchStep, CanonicalEnvironment, EnvironmentBatch, EnvironmentFault
from tests.environments.fakes import Episode, FakeEnvironment, ScriptedEnvironment
from tests.environments.test_canonical import FAULTS

EPISODES = st.lists(st.builds(Episode, st.integers(1, 6), st.booleans()), min_size=1, max_size=4)
GOOD = np.array([1.0, 2.0])


class Reference:
    """One environment's rows of a batch, the plain way."""

    def __init__(self, environment):
        self.environment = environment
        self.observation = environment.reset().observation
        self.rewards = []

    def step(self, action):
        timestep = self.environment.step(action)
        self.rewards.append(float(timestep.reward))
        row = dict(
            reward=timestep.reward,
            discount=timestep.discount,
            next_observation=timestep.observation,
            last=timestep.last(),
            episode_return=sum(self.rewards),
            episode_length=len(self.rewards),
        )
        self.observation = timestep.observation
        if timestep.last():
            self.observation = self.environment.reset().observation
            self.rewards = []
        return BatchStep(observation=self.observation, **row)


def assert_rows_equal(step, rows):
    for field in BatchStep._fields:
        expected = np.array([getattr(row, field) for row in rows])
        np.testing.assert_array_equal(getattr(step, field), expected, err_msg=field)


@settings(max_examples=60, deadline=None)
@given(st.lists(EPISODES, min_size=1, max_size=5), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_every_row_is_what_its_environment_gives_alone(scripts, action_repeat, seed):
    def make(i):
        return CanonicalEnvironment(
            ScriptedEnvironment(scripts[i], identity=i), action_repeat=action_repeat
        )

    batch = EnvironmentBatch([make(i) for i in range(len(scripts))])
    references = [Reference(make(i)) for i in range(len(scripts))]
    observation = batch.reset()
    np.testing.assert_array_equal(observation, [r.observation for r in references])
    rng = np.random.default_rng(seed)
    kept = []
    for _ in range(25):
        actions = rng.uniform(-1.2, 1.2, (len(scripts), 2)).astype(np.float32)
        step = batch.step(actions)
        rows = [r.step(a) for r, a in zip(references, actions, strict=True)]
        assert_rows_equal(step, rows)
        # Every step is a transition: what was acted on, identity, episode and time, and the next.
        np.testing.assert_array_equal(step.next_observation[:, :2], observation[:, :2])
        assert (step.next_observation[:, 2] > observation[:, 2]).all()
        np.testing.assert_array_equal(step.observation[:, 2] == 0, step.last)
        observation = step.observation
        kept.append((step, rows))
    for step, rows in kept:  # Nothing that was returned has been written again.
        assert_rows_equal(step, rows)


def test_dtypes_and_shapes():
    batch = EnvironmentBatch([ScriptedEnvironment([Episode(2)]) for _ in range(3)])
    assert batch.reset().dtype == np.float32
    step = batch.step(np.zeros((3, 2)))
    assert {field: (value.dtype.name, value.shape) for field, value in step._asdict().items()} == {
        "observation": ("float32", (3, 5)),
        "reward": ("float32", (3,)),
        "discount": ("float32", (3,)),
        "next_observation": ("float32", (3, 5)),
        "last": ("bool", (3,)),
        "episode_return": ("float64", (3,)),
        "episode_length": ("int64", (3,)),
    }
    assert len(batch) == len(batch.environments) == 3


def test_reset_starts_every_episode_again():
    batch = EnvironmentBatch([ScriptedEnvironment([Episode(5)]) for _ in range(2)])
    batch.reset()
    batch.step(np.zeros((2, 2)))
    np.testing.assert_array_equal(batch.reset()[:, 1:3], [[1, 0], [1, 0]])
    step = batch.step(np.zeros((2, 2)))
    np.testing.assert_array_equal(step.episode_length, [1, 1])
    np.testing.assert_array_equal(step.episode_return, [101, 101])


def test_environments_with_other_bounds_share_a_batch():
    def make(low, high):
        spec = specs.BoundedArray((1,), np.float64, low, high)
        steps = [dm_env.restart(GOOD), dm_env.transition(0.0, GOOD)]
        return FakeEnvironment(steps, action_spec=spec)

    inner = [make(-1.0, 1.0), make(0.0, 10.0)]
    batch = EnvironmentBatch(inner)
    batch.reset()
    batch.step([[0.5], [0.5]])
    assert [float(environment.actions[0]) for environment in inner] == [0.5, 7.5]


@pytest.mark.parametrize(
    "name", ["control:cheetah:run", "control:finger:turn_easy", "gym:Hopper-v5", "gym:Pendulum-v1"]
)
def test_real_environments(name):
    batch = EnvironmentBatch([environments.make(name, seed) for seed in range(3)])
    references = [Reference(environments.make(name, seed)) for seed in range(3)]
    observation = batch.reset()
    np.testing.assert_array_equal(observation, [r.observation for r in references])
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(220):
        actions = rng.uniform(-1, 1, (3, *batch.environments[0].action_spec().shape))
        step = batch.step(actions)
        assert_rows_equal(step, [r.step(a) for r, a in zip(references, actions, strict=True)])
        ended += step.last.sum()
    assert ended > 0 or name.startswith("control")


def fault_batch(bad, first=None):
    def make(steps, name):
        return CanonicalEnvironment(FakeEnvironment(steps), name=name)

    good = [dm_env.restart(GOOD), *[dm_env.transition(0.0, GOOD)] * 3]
    steps = [dm_env.restart(GOOD) if first is None else first, good[1], bad, *good]
    return EnvironmentBatch([make(good * 2, "zero"), make(steps, "one"), make(good * 2, "two")])


@pytest.mark.parametrize(("bad", "message"), FAULTS)
def test_faults_name_environment_step_and_value(bad, message):
    batch = fault_batch(bad)
    batch.reset()
    batch.step(np.zeros((3, 1)))
    with pytest.raises(
        EnvironmentFault, match=f"^Environment 1: one, at step 2 of its episode: .*{message}"
    ):
        batch.step(np.zeros((3, 1)))
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step\(\)"):
        batch.step(np.zeros((3, 1)))


def test_faults_in_a_reset():
    batch = fault_batch(None, first=dm_env.restart(np.array([0.0, np.nan])))
    with pytest.raises(
        EnvironmentFault, match=r"^Environment 1: one, at its reset: .*\[1\] is nan"
    ):
        batch.reset()


def test_a_fault_in_the_reset_that_follows_an_episode():
    steps = [dm_env.restart(GOOD), dm_env.termination(0.0, GOOD), dm_env.restart(np.zeros(3))]
    batch = EnvironmentBatch([FakeEnvironment(steps)])
    batch.reset()
    with pytest.raises(EnvironmentFault, match="at its reset: the observation has shape"):
        batch.step([[0.0]])


def test_a_fault_names_the_key():
    class Broken(ScriptedEnvironment):
        def _observation(self, action):
            observation = super()._observation(action)
            if self._t == 3:
                observation["action"][1] = np.nan
            return observation

    batch = EnvironmentBatch([ScriptedEnvironment([Episode(9)]), Broken([Episode(9)])])
    batch.reset()
    for _ in range(2):
        batch.step(np.zeros((2, 2)))
    with pytest.raises(
        EnvironmentFault,
        match=r"^Environment 1: Broken, at step 3 of its episode: the observation\['action'\]\[1\]",
    ):
        batch.step(np.zeros((2, 2)))
    np.testing.assert_array_equal(batch.reset()[:, 2], [0, 0])
    batch.step(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((2, 2)), r"takes actions of shape \(3, 2\), not \(2, 2\)"),
        (np.zeros(6), r"takes actions of shape \(3, 2\), not \(6,\)"),
        (np.array([[0, 0], [0, np.nan], [0, 0]]), r"not finite: nan at \[1, 1\]"),
        (np.array([[0, 0], [0, 0], [-np.inf, 0]]), r"not finite: -inf at \[2, 0\]"),
    ],
)
def test_bad_actions(actions, message):
    inner = [ScriptedEnvironment([Episode(4)]) for _ in range(3)]
    batch = EnvironmentBatch(inner)
    batch.reset()
    with pytest.raises(ValueError, match=message):
        batch.step(actions)
    assert not any(environment.actions for environment in inner)
    np.testing.assert_array_equal(batch.step(np.zeros((3, 2))).reward, [1, 1, 1])


def test_step_needs_a_reset_first():
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step\(\)"):
        EnvironmentBatch([ScriptedEnvironment([Episode(1)])]).step([[0, 0]])


def test_environments_must_fit_together():
    one = ScriptedEnvironment([Episode(1)])
    with pytest.raises(ValueError, match="at least one environment"):
        EnvironmentBatch([])
    with pytest.raises(ValueError, match="the same environment twice"):
        EnvironmentBatch([one, one])
    with pytest.raises(ValueError, match=r"equal specs: observation_spec of environment 1 \(Scr"):
        EnvironmentBatch([one, ScriptedEnvironment([Episode(1)], action_size=3)])
    with pytest.raises(ValueError, match="equal specs: action_spec of environment 1"):
        EnvironmentBatch(
            [FakeEnvironment(), FakeEnvironment(action_spec=specs.BoundedArray((2,), float, 0, 1))]
        )


def test_close_closes_all():
    inner = [ScriptedEnvironment([Episode(1)]) for _ in range(2)]
    EnvironmentBatch(inner).close()
    assert all(environment.closed for environment in inner)
