import numpy as np
import pytest

from quinoa.agents import smoothie
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.numpy_policy import NumpyPolicy, arrays_of, check_noise, own_form
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.config.fields import ConfigError
from tests.agents.fixtures import make_spec
from tests.agents.policies import densities

EVERY = pytest.mark.parametrize("kind", (*densities.ALL, densities.BOUNDED, *densities.NORMED))
SHAPE = (3, densities.OBSERVATION_SIZE)


def numpy_policy(policy, *, mode=False):
    form = own_form(policy)
    assert form is not None
    settings = form.mode_settings() if mode else None
    made = NumpyPolicy(FormLayout(form, policy), mode_settings=settings)
    made.assign(flatten(policy))
    return made


@EVERY
def test_its_actions_are_distributed_as_those_of_the_compiled_policy(kind):
    policy = densities.make_policy(kind, 3)
    states = np.repeat(densities.observation(1)[None], 20_000, axis=0)
    ours, theirs = (
        acting.samples(states.shape, seed=2)(states, 0)[0]
        for acting in (numpy_policy(policy), CompiledPolicy(policy))
    )
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape == (20_000, 3)
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        # A bin is the same number but for its last bit.
        edge = np.quantile(theirs, level, axis=0) + 1e-4
        ours_below, theirs_below = ((of <= edge).mean(axis=0) for of in (ours, theirs))
        np.testing.assert_allclose(ours_below, theirs_below, atol=0.02)


@EVERY
def test_the_seed_settles_the_actions_and_each_step_has_its_own(kind):
    policy = numpy_policy(densities.make_policy(kind, 2))
    states = np.zeros(SHAPE, np.float32)

    def actions(seed):
        act = policy.samples(SHAPE, seed=seed)
        return np.array([act(states, step)[0] for step in range(5)])

    np.testing.assert_array_equal(actions(0), actions(0))
    assert (actions(0) != actions(1)).any()
    # Every step has its own randomness, and so has every environment.
    assert len(np.unique(actions(0).reshape(15, -1), axis=0)) > 5


@EVERY
def test_new_parameters_count_from_the_next_step(kind):
    first, second = (densities.make_policy(kind, 3, seed=seed) for seed in (0, 1))
    policy = numpy_policy(first)
    act = policy.samples(SHAPE, seed=0)
    states = np.ones(SHAPE, np.float32)
    act(states, 0)
    policy.assign(flatten(second))
    other = numpy_policy(second).samples(SHAPE, seed=0)
    other(states, 0)
    np.testing.assert_array_equal(act(states, 1)[0], other(states, 1)[0])


@EVERY
def test_an_action_belongs_to_the_caller(kind):
    policy = numpy_policy(densities.make_policy(kind, 2))
    act = policy.samples(SHAPE, seed=0)
    states = np.zeros(SHAPE, np.float32)
    first, _ = act(states, 0)
    before = first.copy()
    for step in range(1, 4):
        act(states, step)
    np.testing.assert_array_equal(first, before)
    np.testing.assert_array_equal(states, 0.0)


@EVERY
def test_with_pink_noise_each_action_is_distributed_the_same_and_depends_on_the_last_one(kind):
    policy = densities.make_policy(kind, 3)
    states = np.repeat(densities.observation(1)[None], 20_000, axis=0)
    # [steps, environments, dimensions]
    white, pink = (
        np.array([act(states, step)[0] for step in range(3)])
        for act in (
            numpy_policy(policy).samples(states.shape, seed=2, noise=noise)
            for noise in ("white", "pink")
        )
    )
    deciles = [np.quantile(each, np.linspace(0.1, 0.9, 9), axis=1) for each in (white, pink)]
    # Bins are 0.2 apart, and a decile may lie between two.
    assert np.mean(np.abs(deciles[0] - deciles[1])) < 0.02
    for i in range(3):
        assert np.corrcoef(pink[1, :, i], pink[2, :, i])[0, 1] > 0.4
        assert abs(np.corrcoef(white[1, :, i], white[2, :, i])[0, 1]) < 0.05


@pytest.mark.parametrize("kind", densities.FINITE_OF_IMAGES)
def test_with_pink_noise_actions_of_a_finite_set_are_distributed_the_same_and_stay(kind):
    policy = densities.make_finite(kind, 5)
    states = np.repeat(densities.observation()[None], 20_000, axis=0)
    shares, stays = {}, {}
    for noise in ("white", "pink"):
        act = numpy_policy(policy).samples(states.shape, seed=2, noise=noise)
        steps = [act(states, step)[0] for step in range(3)]
        shares[noise] = np.bincount(steps[2], minlength=5) / len(states)
        stays[noise] = np.mean(steps[1] == steps[2])
    np.testing.assert_allclose(shares["pink"], shares["white"], atol=0.02)
    assert stays["pink"] > stays["white"] + 0.05


def test_pink_noise_is_not_for_a_policy_that_saves_what_it_drew():
    policy = smoothie.Agent.make_policy(smoothie.Config(max_importance_weight=3.0), make_spec())
    with pytest.raises(ConfigError, match="'white', as the policy adds extras"):
        check_noise(policy, "pink")


@pytest.mark.parametrize("kind", densities.CONTINUOUS)
def test_parameters_that_are_not_finite_make_actions_that_are_not(kind):
    """By these an actor finds that learning has diverged."""
    policy = densities.make_policy(kind, 2)
    acting = numpy_policy(policy)
    acting.assign(np.full_like(flatten(policy), np.nan))
    action, _ = acting.samples(SHAPE, seed=0)(np.zeros(SHAPE, np.float32), 0)
    assert np.isnan(action).any(axis=1).all()


@EVERY
def test_its_mode_is_that_of_the_compiled_policy(kind):
    policy = densities.make_policy(kind, 3)
    states = np.random.default_rng(1).normal(size=(64, SHAPE[1])).astype(np.float32)
    ours, theirs = (
        acting.actions(states.shape, seed=2, sample=False)(states, 0)
        for acting in (numpy_policy(policy, mode=True), CompiledPolicy(policy))
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@EVERY
def test_without_its_mode_or_where_it_is_told_to_it_samples(kind):
    policy = densities.make_policy(kind, 3)
    states = np.zeros(SHAPE, np.float32)
    samples = numpy_policy(policy).samples(SHAPE, seed=5)(states, 0)[0]
    for mode, sample in ((False, False), (True, True)):
        act = numpy_policy(policy, mode=mode).actions(SHAPE, seed=5, sample=sample)
        np.testing.assert_array_equal(act(states, 0), samples)


class Derived(TanhGaussianPolicy):
    """Inherits a form that may not be its own."""


class Declared(TanhGaussianPolicy):
    def numpy_form(self):
        return super().numpy_form()


def test_a_form_counts_where_the_class_itself_defines_it():
    derived, declared = (of(4, 2, hidden_sizes=[3]) for of in (Derived, Declared))
    assert own_form(derived) is None and arrays_of(derived) is None
    assert own_form(declared) is not None
    arrays = arrays_of(declared)
    assert arrays is not None
    np.testing.assert_array_equal(arrays["network.0.w"], declared.trainable_variables[1])
