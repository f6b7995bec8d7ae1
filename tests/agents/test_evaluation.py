import numpy as np
import pytest

from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.evaluation import EvaluationStopped, evaluate
from quinoa.agents.types import NonFiniteError
from quinoa.environments import EnvironmentBatch, FaultKind, TooManyFaultsError
from tests.agents.test_actor import Fixed, make_policy
from tests.environments.fakes import Episode, FaultyEnvironment, ScriptedEnvironment


def batch_of(*lengths):
    return EnvironmentBatch(
        [ScriptedEnvironment([Episode(length)], identity=i) for i, length in enumerate(lengths)]
    )


def fixed(value=0.0):
    return CompiledPolicy(Fixed(value))


def test_every_environment_gives_its_share_though_some_are_much_shorter():
    result = evaluate(fixed(), batch_of(1, 20, 3), 6, seed=0)
    np.testing.assert_array_equal(result.lengths, [1, 1, 20, 20, 3, 3])
    # The rewards of step t of episode e are 100 e + t.
    expected = [1, 101, 210, 210 + 2000, 6, 306]
    np.testing.assert_array_equal(result.returns, expected)


@pytest.mark.parametrize(("num_episodes", "lengths"), [(1, [2]), (2, [2, 5]), (5, [2, 2, 5, 5, 3])])
def test_where_the_shares_differ_the_first_environments_play_more(num_episodes, lengths):
    result = evaluate(fixed(), batch_of(2, 5, 3), num_episodes, seed=0)
    assert result.lengths.tolist() == lengths
    assert result.returns.dtype == np.float64
    assert result.lengths.dtype == np.int64


def test_the_mean_is_not_that_of_the_episodes_that_end_first():
    # Every second episode is ten times as long; the first to end would nearly all be short.
    batch = EnvironmentBatch(
        [ScriptedEnvironment([Episode(40), Episode(4)], identity=i) for i in range(2)]
    )
    result = evaluate(fixed(), batch, 8, seed=0)
    assert result.lengths.mean() == 22


def actions_of(policy, **options):
    batch = batch_of(4, 4)
    evaluate(CompiledPolicy(policy), batch, 4, **options)
    return np.array([environment._inner.actions for environment in batch.environments])


def test_it_takes_the_mode_or_samples_from_the_seed():
    policy = make_policy()
    mode = actions_of(policy, seed=1)
    np.testing.assert_array_equal(mode, actions_of(policy, seed=2))
    first = batch_of(4, 4).reset()
    np.testing.assert_allclose(mode[:, 0], policy(first).mode(), atol=1e-6)
    sampled = actions_of(policy, seed=1, sample=True)
    np.testing.assert_array_equal(sampled, actions_of(policy, seed=1, sample=True))
    assert (sampled != actions_of(policy, seed=2, sample=True)).any()


def test_it_starts_new_episodes_and_can_be_repeated():
    batch = batch_of(3, 3)
    first = evaluate(fixed(), batch, 2, seed=0)
    second = evaluate(fixed(), batch, 2, seed=0)
    assert first.returns.tolist() == [6, 6]
    # The environments have been reset after each episode's end, and at the start: two further on.
    assert second.returns.tolist() == [606, 606]
    assert not any(environment._inner.closed for environment in batch.environments)


def test_a_stop_gives_up():
    answers = iter([False] * 9 + [True])
    with pytest.raises(EvaluationStopped, match="2 of 3 episodes"):
        evaluate(
            fixed(),
            batch_of(1000, 2),
            3,
            seed=0,
            should_stop=lambda: next(answers),
        )
    assert list(answers) == []


def test_no_episodes_are_refused():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        evaluate(fixed(), batch_of(1), 0, seed=0)


def test_an_episode_that_breaks_is_dropped_and_another_one_played():
    batch = EnvironmentBatch(
        [
            FaultyEnvironment([Episode(4)], faults={2: FaultKind.RAISED, 7: FaultKind.SPEC}),
            ScriptedEnvironment([Episode(4)], identity=1),
        ]
    )
    result = evaluate(fixed(), batch, 4, seed=0)
    assert result.lengths.tolist() == [4, 4, 4, 4]
    # Of the first environment, episode 0 breaks, 1 ends, 2 breaks and 3 ends.
    assert result.returns.tolist() == [10 + 400, 10 + 1200, 10, 10 + 400]
    assert [fault.kind for fault in result.faults] == [FaultKind.RAISED, FaultKind.SPEC]
    assert result.num_truncated == 0


def test_one_that_breaks_always_ends_the_evaluation():
    always = dict.fromkeys(range(2, 1000), FaultKind.NOT_FINITE)
    batch = EnvironmentBatch(
        [FaultyEnvironment([Episode(4)], faults=always), ScriptedEnvironment([Episode(2)])]
    )
    with pytest.raises(TooManyFaultsError, match="not a finite float32"):
        evaluate(fixed(), batch, 2, seed=0)


def test_episodes_that_do_not_end_are_cut_off():
    batch = EnvironmentBatch(
        [ScriptedEnvironment([Episode(length)]) for length in (10**9, 3)], max_episode_steps=5
    )
    result = evaluate(fixed(), batch, 3, seed=0)
    assert result.lengths.tolist() == [5, 5, 3]
    assert result.num_truncated == 2


def test_actions_that_are_not_finite_are_the_policys_fault():
    with pytest.raises(NonFiniteError, match="the policy's action"):
        evaluate(fixed(float("nan")), batch_of(4), 1, seed=0)
