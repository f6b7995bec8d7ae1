import re

import dm_env
import numpy as np
import pytest
from dm_env import specs
from hypothesis import given, settings
from hypothesis import strategies as st

from quinoa import environments
from quinoa.environments import (
    BatchStep,
    CanonicalEnvironment,
    EnvironmentBatch,
    EnvironmentFault,
    FaultKind,
    TooManyFaultsError,
)
from tests.environments.fakes import (
    Episode,
    FakeEnvironment,
    FaultyEnvironment,
    ImageEnvironment,
    ScriptedEnvironment,
)
from tests.environments.test_canonical import FAULTS

EPISODES = st.lists(st.builds(Episode, st.integers(1, 6), st.booleans()), min_size=1, max_size=4)
GOOD = np.array([1.0, 2.0])
ARRAYS = [field for field in BatchStep._fields if field not in BatchStep._field_defaults]


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
    assert (step.valid, step.truncated, step.faults) == (None, (), ())
    for field in ARRAYS:
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
    arrays = {field: getattr(step, field) for field in ARRAYS}
    assert {field: (value.dtype.name, value.shape) for field, value in arrays.items()} == {
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


def valid_rows(step):
    assert step.valid is not None
    return step.valid.tolist()


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
    step = batch.step(np.zeros((3, 1)))
    (fault,) = step.faults
    assert re.match(f"Environment 1: one, at step 2 of its episode: .*{message}", str(fault))
    assert "\n" not in str(fault)
    assert valid_rows(step) == [True, False, True]
    assert not step.last.any()
    assert all(np.isfinite(getattr(step, field)).all() for field in ARRAYS)
    np.testing.assert_array_equal(step.observation, [GOOD] * 3)
    after = batch.step(np.zeros((3, 1)))
    np.testing.assert_array_equal(after.episode_length, [3, 1, 3])
    assert (after.valid, after.faults) == (None, ())


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (dm_env.transition(0.0, np.array([0.0, np.nan])), FaultKind.NOT_FINITE),
        (dm_env.transition(np.inf, GOOD), FaultKind.NOT_FINITE),
        (dm_env.transition(0.0, GOOD, np.nan), FaultKind.NOT_FINITE),
        (dm_env.transition(0.0, GOOD, 1.5), FaultKind.SPEC),
        (dm_env.transition(0.0, np.zeros(3)), FaultKind.SPEC),
        (dm_env.restart(GOOD), FaultKind.SPEC),
        (None, FaultKind.SPEC),
        (ZeroDivisionError("two\nlines"), FaultKind.RAISED),
        (SystemExit(0), FaultKind.RAISED),
    ],
)
def test_kinds_of_faults_are_told_apart(bad, kind):
    batch = fault_batch(bad)
    batch.reset()
    batch.step(np.zeros((3, 1)))
    (fault,) = batch.step(np.zeros((3, 1))).faults
    assert fault.kind is kind
    assert "\n" not in str(fault)


def test_what_one_environment_does_wrong_costs_the_others_nothing():
    faults = {2: FaultKind.RAISED, 5: FaultKind.NOT_FINITE, 6: FaultKind.SPEC}
    script = [Episode(4)]
    batch = EnvironmentBatch(
        [
            ScriptedEnvironment(script),
            FaultyEnvironment(script, faults=faults, identity=1),
            ScriptedEnvironment([Episode(3)], identity=2),
        ]
    )
    references = [
        Reference(CanonicalEnvironment(environment))
        for environment in (
            ScriptedEnvironment(script),
            ScriptedEnvironment([Episode(3)], identity=2),
        )
    ]
    batch.reset()
    rng = np.random.default_rng(0)
    where, dropped = [], []
    for number in range(1, 12):
        actions = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
        step = batch.step(actions)
        rows = [r.step(a) for r, a in zip(references, actions[[0, 2]], strict=True)]
        for field in ARRAYS:
            expected = np.array([getattr(row, field) for row in rows])
            np.testing.assert_array_equal(getattr(step, field)[[0, 2]], expected)
        if step.faults:
            assert valid_rows(step) == [True, False, True]
            dropped.append((number, *(fault.kind for fault in step.faults)))
        where.append(step.observation[1, 1:3].astype(int).tolist())
    assert dropped == list(faults.items())
    # Episode and time of the faulty one: each fault begins an episode.
    assert where == [
        [0, 1],
        *([1, t] for t in range(3)),
        [2, 0],
        *([3, t] for t in range(4)),
        *([4, t] for t in range(2)),
    ]


@pytest.mark.parametrize("broken", [None, np.nan])
def test_step_types_may_be_plain_numbers(broken):
    """Whether all is accepted together, or, beside an environment that is broken, one by one."""

    def steps(plain):
        made = [dm_env.restart(GOOD), dm_env.transition(1.0, GOOD), dm_env.termination(2.0, GOOD)]
        made *= 2
        return [step._replace(step_type=int(step.step_type)) for step in made] if plain else made

    others = steps(False)
    if broken is not None:
        others[1:3] = [dm_env.transition(broken, GOOD)]
    batch = EnvironmentBatch([FakeEnvironment(steps(True)), FakeEnvironment(others)])
    batch.reset()
    taken = [batch.step(np.zeros((2, 1))) for _ in range(2)]
    assert [bool(step.last[0]) for step in taken] == [False, True]
    assert [float(step.discount[0]) for step in taken] == [1.0, 0.0]
    assert not [fault for step in taken for fault in step.faults if "Environment 0" in str(fault)]


def test_two_that_break_in_one_step():
    scripts = [{1: FaultKind.SPEC}, {}, {1: FaultKind.RAISED}]
    batch = EnvironmentBatch([FaultyEnvironment([Episode(3)], faults=f) for f in scripts])
    batch.reset()
    step = batch.step(np.zeros((3, 2)))
    assert [str(fault)[:13] for fault in step.faults] == ["Environment 0", "Environment 2"]
    assert valid_rows(step) == [False, True, False]
    np.testing.assert_array_equal(step.next_observation[1, :3], [0, 0, 1])


def test_more_than_a_tenth_of_the_episodes_is_too_many():
    def play(period, num_steps):
        faults = {step: FaultKind.RAISED for step in range(period, num_steps + 1, period)}
        batch = EnvironmentBatch([FaultyEnvironment([Episode(1)], faults=faults)])
        batch.reset()
        for number in range(num_steps):
            try:
                batch.step(np.zeros((1, 2)))
            except TooManyFaultsError as error:
                return number + 1, error
        return num_steps, None

    assert play(10, 1000) == (1000, None)
    steps, error = play(9, 1000)
    assert steps == 99
    assert error.kind is FaultKind.RAISED
    assert re.match(
        r"11 of the last 99 episodes had to be dropped, and more than 10 in 100 are too many\. "
        r"The latest: Environment 0: .*: ZeroDivisionError: broken",
        str(error),
    )
    # One that fails always is found out at once, but not by its first failures.
    assert play(1, 1000)[0] == 11


def test_faults_in_a_reset_are_the_end_where_there_is_no_other_environment():
    batch = EnvironmentBatch([FaultyEnvironment([Episode(2)], bad_resets=[2])])
    batch.reset()
    batch.step([[0, 0]])
    with pytest.raises(EnvironmentFault, match="at its reset: OSError: cannot be reset"):
        batch.step([[0, 0]])


def test_another_environment_takes_the_place_of_one_that_cannot_be_reset():
    broken = FaultyEnvironment([Episode(2)], faults={3: FaultKind.SPEC}, bad_resets=[3])
    also = FaultyEnvironment([Episode(2)], bad_resets=[1])
    made: list[ScriptedEnvironment] = []

    def make():
        made.append(ScriptedEnvironment([Episode(2)], identity=5 + len(made)))
        return made[-1]

    batch = EnvironmentBatch([broken, also], make=make)
    observation = batch.reset()
    np.testing.assert_array_equal(observation[:, :3], [[0, 0, 0], [5, 0, 0]])
    step = batch.step(np.zeros((2, 2)))
    # What befell at `reset` is told by the next step, which is a good one.
    (fault,) = step.faults
    assert str(fault).startswith("Environment 1: FaultyEnvironment, at its reset")
    assert step.valid is None
    assert batch.step(np.zeros((2, 2))).last.all()
    step = batch.step(np.zeros((2, 2)))
    assert [fault.kind for fault in step.faults] == [FaultKind.SPEC, FaultKind.RAISED]
    assert valid_rows(step) == [False, True]
    np.testing.assert_array_equal(step.observation[:, :3], [[6, 0, 0], [5, 1, 1]])
    assert broken.closed and also.closed
    step = batch.step(np.ones((2, 2)))
    np.testing.assert_array_equal(step.next_observation, [[6, 0, 1, 1, 1], [5, 1, 2, 1, 1]])
    batch.close()
    assert all(environment.closed for environment in made)
    assert [environment.inner for environment in batch.environments] == made[::-1]


@pytest.mark.parametrize("raises", [False, True])
def test_what_is_made_in_its_place_must_do(raises):
    def make():
        if raises:
            raise OSError("no more of them")
        return ScriptedEnvironment([Episode(2)], action_size=3)

    batch = EnvironmentBatch([FaultyEnvironment([Episode(1)], bad_resets=[2])], make=make)
    batch.reset()
    message = "no more of them" if raises else "what was made in its place has other specs"
    with pytest.raises(EnvironmentFault, match=f"^Environment 0: .*{message}"):
        batch.step([[0, 0]])


@settings(max_examples=40, deadline=None)
@given(st.lists(EPISODES, min_size=1, max_size=4), st.integers(1, 5))
def test_episodes_are_cut_off_at_the_limit(scripts, limit):
    def cut(script):
        return [
            Episode(min(episode.length, limit), episode.terminates and episode.length <= limit)
            for episode in script
        ]

    def make(script, i):
        return ScriptedEnvironment(script, identity=i)

    batch = EnvironmentBatch(
        [make(script, i) for i, script in enumerate(scripts)], max_episode_steps=limit
    )
    # Environments whose episodes end there by themselves, with the discount that they have then.
    same = EnvironmentBatch([make(cut(script), i) for i, script in enumerate(scripts)])
    np.testing.assert_array_equal(batch.reset(), same.reset())
    episode = np.zeros(len(scripts), int)
    for _ in range(25):
        actions = np.zeros((len(scripts), 2))
        step, expected = batch.step(actions), same.step(actions)
        for field in ARRAYS:
            np.testing.assert_array_equal(getattr(step, field), getattr(expected, field))
        late = [script[e % len(script)].length > limit for script, e in zip(scripts, episode)]  # noqa: B905
        assert step.truncated == tuple(np.flatnonzero(step.last & late))
        assert (step.valid, step.faults) == (None, ())
        episode += step.last


def test_the_limit_holds_after_a_fault_and_a_reset():
    batch = EnvironmentBatch(
        [
            FaultyEnvironment([Episode(10**6)], faults={2: FaultKind.RAISED}),
            ScriptedEnvironment([Episode(10**6)]),
        ],
        max_episode_steps=3,
    )
    batch.reset()
    batch.step(np.zeros((2, 2)))
    batch.reset()
    ended = [batch.step(np.zeros((2, 2))).truncated for _ in range(8)]
    assert ended == [(), (), (1,), (0,), (), (1,), (0,), ()]
    with pytest.raises(ValueError, match="max_episode_steps must be at least 1, not 0"):
        EnvironmentBatch([ScriptedEnvironment([Episode(1)])], max_episode_steps=0)


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
    (fault,) = batch.step(np.zeros((2, 2))).faults
    assert str(fault).startswith(
        "Environment 1: Broken, at step 3 of its episode: the observation['action'][1]"
    )


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((2, 2)), r"takes actions of shape \(3, 2\), not \(2, 2\)"),
        (np.zeros(6), r"takes actions of shape \(3, 2\), not \(6,\)"),
    ],
)
def test_actions_of_another_shape(actions, message):
    inner = [ScriptedEnvironment([Episode(4)]) for _ in range(3)]
    batch = EnvironmentBatch(inner)
    batch.reset()
    with pytest.raises(ValueError, match=message):
        batch.step(actions)
    assert not any(environment.actions for environment in inner)
    np.testing.assert_array_equal(batch.step(np.zeros((3, 2))).reward, [1, 1, 1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_not_finite_reaches_no_environment(value):
    inner = [ScriptedEnvironment([Episode(4)], identity=i) for i in range(3)]
    batch = EnvironmentBatch(inner)
    batch.reset()
    batch.step(np.zeros((3, 2)))
    given = np.array([[5, 0], [0.5, value], [0, 0]], np.float32)
    before = given.copy()
    step = batch.step(given)
    np.testing.assert_array_equal(given, before)
    (fault,) = step.faults
    assert fault.kind is FaultKind.ACTION
    assert str(fault) == (
        "Environment 1: ScriptedEnvironment, at step 2 of its episode: the policy's action[1] is "
        f"{value}, not a finite float32"
    )
    assert valid_rows(step) == [True, False, True]
    np.testing.assert_array_equal(step.observation[:, :3], [[0, 0, 2], [1, 1, 0], [2, 0, 2]])
    assert [len(environment.actions) for environment in inner] == [2, 1, 2]
    np.testing.assert_array_equal(inner[0].actions[-1], [1, 0])


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


def test_close_closes_all_though_one_cannot_be():
    class Unclosable(ScriptedEnvironment):
        def close(self):
            raise OSError("the window is gone")

    last = ScriptedEnvironment([Episode(1)])
    EnvironmentBatch([Unclosable([Episode(1)]), last]).close()
    assert last.closed


def test_ctrl_c_ends_a_step():
    steps = [dm_env.restart(GOOD), KeyboardInterrupt()]
    batch = EnvironmentBatch([FakeEnvironment(steps)])
    batch.reset()
    with pytest.raises(KeyboardInterrupt):
        batch.step([[0.0]])


class TestImages:
    @pytest.mark.parametrize("shape", [(6, 5, 2), (6, 5)])
    def test_every_row_is_what_its_environment_gives_alone(self, shape):
        batch = EnvironmentBatch([ImageEnvironment(shape) for _ in range(3)])
        rows = [Reference(CanonicalEnvironment(ImageEnvironment(shape))) for _ in range(3)]
        observation = batch.reset()
        assert (observation.dtype, observation.shape) == (np.uint8, (3, *shape, 1)[:4])
        for _ in range(12):
            step = batch.step([0, 1, 2])
            assert step.next_observation.dtype == step.observation.dtype == np.uint8
            assert_rows_equal(step, [row.step(action) for action, row in enumerate(rows)])

    def test_one_that_is_none_is_a_fault_of_its_environment_alone(self):
        good, wrong = ImageEnvironment(), ImageEnvironment(returns=np.zeros((6, 5, 2)))
        batch = EnvironmentBatch([good, wrong, ImageEnvironment()])
        alone = Reference(CanonicalEnvironment(ImageEnvironment()))
        batch.reset()
        for t in range(1, 6):
            step, row = batch.step([0, 0, 0]), alone.step(0)
            np.testing.assert_array_equal(step.next_observation[0], row.next_observation)
            if t == 3:
                assert step.valid is not None and step.valid.tolist() == [True, False, True]
                assert "is float64" in str(step.faults[0])
                assert not step.next_observation[1].any()
            else:
                assert step.valid is None


class RewardsInArrays(ImageEnvironment):
    """Its rewards are arrays of one number, as some environments return them."""

    def step(self, action):
        timestep = super().step(action)
        return timestep._replace(reward=None if timestep.first() else np.array([timestep.reward]))


def test_rewards_of_images_may_be_arrays_of_one_number():
    batch = EnvironmentBatch([CanonicalEnvironment(RewardsInArrays()) for _ in range(2)])
    batch.reset()
    step = batch.step(np.zeros(2, np.int32))
    assert not step.faults
    np.testing.assert_array_equal(step.reward, [1.0, 1.0])
