import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from acme import specs

from quinoa.agents import (
    a2c,
    crossq,
    ddpg,
    dqn,
    graphs,
    iq,
    naf,
    protocol,
    smoothie,
    soft_actor_critic,
    sql,
)
from quinoa.agents.registry import LoadedAgent
from quinoa.launch.checks import (
    agent,
    base,
    dependence,
    improvement,
    learning,
    losses,
    policy,
    sources,
)
from quinoa.launch.checks.subject import AgentSubject
from tests.agents import tiny_discrete, tiny_on_policy
from tests.agents.fixtures import make_spec
from tests.agents.test_learner import AGENTS
from tests.launch.checks import agents


def subject(agent_class, config=None):
    spec = make_spec()
    if issubclass(agent_class, tiny_discrete.Agent | dqn.Agent):
        spec = make_spec(actions=specs.DiscreteArray(4))
    return AgentSubject(agents.loaded(agent_class, config), spec)


BUILT_IN = {
    **AGENTS,
    "crossq": (
        crossq.Agent,
        # Batch renormalisation takes over from batch normalisation, by a count that is saved,
        # between the checkpoint of the checks, after 8 gradient steps, and their end, after 12.
        crossq.Config(
            hidden_sizes=(16,), critic_hidden_sizes=(16,), batch_size=16, renorm_warm_up=10
        ),
    ),
    "a2c": (a2c.Agent, a2c.Config(hidden_sizes=(16,), batch_size=20)),
    "ddpg": (ddpg.Agent, ddpg.Config(hidden_sizes=(16,), batch_size=16)),
    "naf": (naf.Agent, naf.Config(hidden_sizes=(16,), batch_size=16)),
    "sql": (sql.Agent, sql.Config(hidden_sizes=(16,), batch_size=16, num_particles=8)),
    "smoothie": (smoothie.Agent, smoothie.Config(hidden_sizes=(16,), batch_size=16)),
}


# Those with the networks, losses and source of another one, which is checked by default.
LIKE_OTHERS = ("iq_flow", "naf", "smoothie", "m_iq", "a2c_proper")


def names_of(configs):
    """Names as parameters of a test, the first ones of their kind by default."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name in LIKE_OTHERS)) for name in configs
    ]


@pytest.mark.parametrize("name", names_of(BUILT_IN))
def test_the_built_in_agents_pass(name):
    agent_class, config = BUILT_IN[name]
    findings: list[base.Finding] = []
    of_agent = AgentSubject(LoadedAgent(name, agent_class, type(config), config), make_spec())
    count, failed = base.run_checks(agent.CHECKS, of_agent, findings.append)
    assert (count, failed) == (len(agent.CHECKS), 0), findings
    # Or it would have been found out the long way.
    assert of_agent.is_repeatable


FINITE = make_spec(actions=specs.DiscreteArray(4))
CHOICES = make_spec(actions=specs.BoundedArray((2,), np.int32, 0, [2, 1]))
DQN = (dqn.Agent, dqn.Config(hidden_sizes=(16,), batch_size=16))
ON_FINITE_SETS: dict[str, Any] = {
    "dqn": (FINITE, *DQN),
    "soft_dqn": (
        FINITE,
        dqn.Agent,
        dqn.Config(hidden_sizes=(16,), batch_size=16, backup="kl", double=True, n_step=3),
    ),
    "m_iq": (CHOICES, iq.Agent, iq.Config(hidden_sizes=(16,), batch_size=16, alpha=0.9)),
    "a2c_proper": (
        CHOICES,
        a2c.Agent,
        a2c.Config(hidden_sizes=(16,), batch_size=20, returns="entropy", shared_trunk=True),
    ),
    "soft_q_a2c": (
        FINITE,
        a2c.Agent,
        a2c.Config(hidden_sizes=(16,), batch_size=20, update="soft_q", returns="kl", tau=0.1),
    ),
}


@pytest.mark.parametrize("name", names_of(ON_FINITE_SETS))
def test_so_do_those_that_take_finite_sets(name):
    spec, agent_class, config = ON_FINITE_SETS[name]
    loaded = LoadedAgent(name, agent_class, type(config), config)
    findings: list[base.Finding] = []
    of_agent = AgentSubject(loaded, spec)
    count, failed = base.run_checks(agent.CHECKS, of_agent, findings.append)
    assert (count, failed) == (len(agent.CHECKS), 0), findings
    assert of_agent.is_repeatable


def test_of_n_step_transitions_none_arrives_as_it_was_written():
    config = dqn.Config(n_step=3)
    loaded = LoadedAgent("dqn", dqn.Agent, dqn.Config, config)
    of_agent = AgentSubject(loaded, FINITE)
    remark = sources.learner_gets_what_is_written(of_agent)
    assert remark == "its source makes each transition of several"


@pytest.mark.parametrize(
    "agent_class",
    [
        # A subclass of `Good`, which all faulty ones derive from.
        agents.DelayedBesideFixed,
        # By default SQL shows that samples alone will do.
        pytest.param(agents.SampledAlone, marks=pytest.mark.slow),
        tiny_discrete.Agent,
        tiny_on_policy.Agent,
    ],
)
def test_a_good_agent_passes(agent_class):
    findings: list[base.Finding] = []
    count, failed = base.run_checks(agent.CHECKS, subject(agent_class), findings.append)
    assert (count, failed) == (len(agent.CHECKS), 0), findings


@pytest.mark.parametrize(
    ("check", "agent_class", "message"),
    [
        (agent.config_is_kept, agents.ConfigChangesItself, "whose __post_init__ only checks"),
        (agent.config_is_kept, agents.ConfigOfAnotherType, "may be an int, float"),
        (agent.is_made, agents.NoPolicy, "Agent has no policy: set self.policy"),
        (agent.refuses_other_specs, agents.UncheckedPolicy, "make_policy takes images: call"),
        (policy.policy_has_its_shapes, agents.OneForEachAction, r"batch shape \(5, 2\) and event"),
        (
            policy.actions_are_the_environments,
            agents.OutsideTheBox,
            r"sample\(\) reaches .*squash it",
        ),
        (policy.extras_are_as_declared, agents.UndeclaredExtras, "gives log_prob, .* nothing: use"),
        (
            policy.extras_are_as_declared,
            agents.ExtrasOfAnotherShape,
            r"'log_prob' is float32 \(8, 1\) for 8 observations, not float32 \[8\] as",
        ),
        (policy.densities_are_finite, agents.Unnormalised, "of the 4 actions add up to .*not to 1"),
        (agent.refuses_other_specs, agents.UncheckedActions, "make_policy takes actions from a bo"),
        (sources.learner_gets_what_is_written, agents.SourceThatMixesUp, "that no actor wrote"),
        (
            sources.learner_gets_what_is_written,
            agents.StaleRollouts,
            "acted before its last gradient step",
        ),
        (policy.actors_have_the_policy, agents.OtherSizesForActors, "of other shapes"),
        (policy.actors_have_the_policy, agents.LateVariables, "makes more variables: create all"),
        (losses.losses_are_scalars, agents.LossOfABatch, r"float32 \(8,\), not float32 \[\]"),
        (losses.losses_are_scalars, agents.LossNotFinite, "'value' is nan on random transitions"),
        (
            losses.losses_are_scalars,
            agents.OtherLossesBesideStatistics,
            "the learner minimises those of the latter",
        ),
        (losses.losses_are_scalars, agents.LossUnderAnotherName, "'value', but losses returns"),
        (
            losses.gradients_reach_every_variable,
            agents.StoppedGradient,
            r"no gradient of the loss 'value' reaches _value\._network\._layers\[0\]\.b, ",
        ),
        (
            losses.gradients_reach_every_variable,
            agents.GradientOfZero,
            r"12 gradient steps move _value.*by nothing",
        ),
        (
            losses.every_variable_is_accounted_for,
            agents.ForgottenVariables,
            r"no parameter group has _target_value\._network.*after_step does not move them",
        ),
        (losses.every_variable_is_accounted_for, agents.TrainedTarget, r"_target_value.*which a"),
        (
            losses.every_variable_is_accounted_for,
            agents.OnlineFollowsTarget,
            r"after_step moves _value.*, which a parameter group trains, towards _target_value",
        ),
        (losses.losses_are_scalars, agents.MovesInLosses, r"losses changes _target_value"),
        (agent.is_made, agents.NothingOfThisName, "on_purpose names residual: it may name"),
        (
            dependence.losses_follow_reward_and_discount,
            agents.IgnoredReward,
            r"depends on transitions\.reward.*use it in a loss",
        ),
        (
            dependence.losses_follow_reward_and_discount,
            agents.IgnoredNextState,
            r"depends on next_observation, though discount = 0\.99: add",
        ),
        (
            dependence.losses_follow_reward_and_discount,
            agents.IgnoredEnd,
            r"depends on transitions\.discount.*multiply the value of the next state by",
        ),
        (
            dependence.losses_follow_reward_and_discount,
            agents.IgnoredDiscount,
            "depends on the setting discount.*multiply the value of the next state by",
        ),
        (
            dependence.losses_follow_reward_and_discount,
            agents.DiscountAsEnd,
            "where transitions.discount is 0 and not where it is 1.* multiply",
        ),
        (
            dependence.losses_are_means_over_transitions,
            agents.BroadcastReward,
            r"the loss value brings .* in pairs: look for \[B, 1\]",
        ),
        (
            dependence.losses_are_means_over_transitions,
            agents.Reordered,
            "the loss value brings .* or for a reshape",
        ),
        (
            dependence.no_gradient_goes_through_next_values,
            agents.MissingStopGradient,
            "gradient of the loss value goes through .*: put tf.stop_gradient around the target",
        ),
        (
            improvement.policy_goes_to_reward,
            agents.WrongSign,
            "away from the actions with the higher reward: a sign is wrong",
        ),
        (learning.learns_in_one_graph, agents.MetricNotFinite, "the metrics spread are not finite"),
        (
            learning.learns_in_one_graph,
            agents.MetricOfTheLearner,
            "returns loss, the learner's own",
        ),
        (learning.can_be_compiled_by_xla, agents.NotForXla, "has no operation MatrixDeterminant"),
        (
            learning.calls_may_have_any_length,
            agents.MovesInMetrics,
            "differ from 4 calls of one step",
        ),
        (learning.continues_from_a_checkpoint, agents.RandomOfItsOwn, "learns otherwise than one"),
        (
            learning.continues_from_a_checkpoint,
            agents.RemembersElsewhere,
            "learns otherwise than one that never stopped",
        ),
        (
            learning.continues_from_a_checkpoint,
            agents.DrawsAConstant,
            "learns otherwise than one that never stopped",
        ),
    ],
)
def test_each_fault_is_one_line_that_says_what_to_change(check, agent_class, message):
    with pytest.raises(base.CheckError, match=message) as raised:
        check(subject(agent_class))
    assert "\n" not in str(raised.value)


def test_a_learner_that_does_its_steps_again_is_traced_once(monkeypatch):
    traced, trace = [], graphs.trace

    def counted(function, *arguments, **options):
        traced.append(not tf.config.functions_run_eagerly())
        return trace(function, *arguments, **options)

    monkeypatch.setattr(graphs, "trace", counted)
    one = subject(agents.Good)
    for check in (learning.calls_may_have_any_length, learning.continues_from_a_checkpoint):
        assert check(one) == ""
    # Its own, and what the restored one does eagerly.
    assert traced == [True, False]
    for variable, value in zip(one.history.learner.state, one.history.after, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_density_that_is_infinite_at_the_edge_is_found():
    with pytest.raises(base.CheckError, match="must be finite on the whole box"):
        policy.densities_are_finite(subject(agents.Unclipped))


def test_what_the_agent_itself_raises_is_one_line_with_its_place():
    check = base.Check("it learns", learning.learns_in_one_graph)
    finding = base.run_check(check, subject(agents.FailsInAGraph))
    assert finding.error is not None
    assert "\n" not in finding.error
    assert "agents.py, line " in finding.error
    assert "AttributeError" in finding.error


def test_what_comes_after_a_check_that_is_needed_is_left_out():
    findings: list[base.Finding] = []
    count, failed = base.run_checks(agent.CHECKS, subject(agents.NoPolicy), findings.append)
    assert (count, failed) == (2, 1)
    assert [finding.error is None for finding in findings] == [True, False]


class WithoutDeclaration(iq.Agent):
    def on_purpose(self):
        return ()


def test_a_missing_stop_gradient_is_found_in_iq():
    """Its loss with the online value is PCL's, which is right for who means it."""
    of_pcl = dataclasses.replace(AGENTS["iq"][1], target_value=False)
    with pytest.raises(base.CheckError, match=r"put tf\.stop_gradient around the target"):
        dependence.no_gradient_goes_through_next_values(subject(WithoutDeclaration, of_pcl))
    remark = dependence.no_gradient_goes_through_next_values(subject(iq.Agent, of_pcl))
    assert remark == "one does, on purpose"


@pytest.mark.parametrize(
    ("name", "module", "function", "argument"),
    [
        pytest.param("iq", iq.loss, "implicit_q", 0, marks=pytest.mark.slow),
        ("sac", soft_actor_critic, "actor_loss", 0),
        pytest.param("dqn", dqn.loss, "target_q", 0, marks=pytest.mark.slow),
    ],
)
def test_a_wrong_sign_is_found_in_an_agent(name, module, function, argument, monkeypatch):
    right = getattr(module, function)

    def wrong(*arguments):
        return right(*(-x if i == argument else x for i, x in enumerate(arguments)))

    monkeypatch.setattr(module, function, wrong)
    agent_class, config = {**AGENTS, "dqn": DQN}[name]
    # So small a network learns slowly.
    config = dataclasses.replace(config, learning_rate=5e-3)
    with pytest.raises(base.CheckError, match="a sign is wrong"):
        improvement.policy_goes_to_reward(subject(agent_class, config))


def test_a_greedy_policy_is_seen_to_follow_the_reward_while_it_still_explores():
    agent_class, config = DQN
    config = dataclasses.replace(config, learning_rate=5e-3)
    assert improvement.policy_goes_to_reward(subject(agent_class, config)) == ""


@pytest.mark.parametrize(
    ("check", "agent_class", "name"),
    [
        (
            dependence.losses_follow_reward_and_discount,
            agents.IgnoredReward,
            "ignores_reward",
        ),
        (
            dependence.losses_are_means_over_transitions,
            agents.BroadcastReward,
            "pairs_transitions",
        ),
        (
            dependence.no_gradient_goes_through_next_values,
            agents.MissingStopGradient,
            "residual_gradient",
        ),
    ],
)
def test_what_is_meant_is_no_fault(check, agent_class, name):
    check(subject(agents.on_purpose(agent_class, name)))
    for other in protocol.ON_PURPOSE - {name}:
        with pytest.raises(base.CheckError, match=f"on_purpose return '{name}'"):
            check(subject(agents.on_purpose(agent_class, other)))


@pytest.mark.parametrize(
    ("check", "agent_class", "remark"),
    [
        (
            dependence.losses_follow_reward_and_discount,
            agents.BonusAfterTheEnd,
            "note: the loss value depends on next_observation where transitions.discount is 0 too",
        ),
        (
            dependence.losses_are_means_over_transitions,
            agents.Standardised,
            "note: the loss value is no mean over transitions",
        ),
        (improvement.policy_goes_to_reward, agents.IgnoredReward, "do not tell"),
    ],
)
def test_what_may_be_a_fault_or_not_is_a_note(check, agent_class, remark):
    assert remark in check(subject(agent_class))


def test_an_agent_for_one_step_needs_no_next_state():
    config = agents.Config(discount=0.0)
    assert "discount = 0" in dependence.losses_follow_reward_and_discount(
        subject(agents.IgnoredNextState, config)
    )


def test_looking_whether_the_policy_improves_leaves_the_learner_as_it_was():
    one = subject(agents.Good)
    before = [variable.numpy() for variable in one.history.learner.state]
    improvement.policy_goes_to_reward(one)
    for was, variable in zip(before, one.history.learner.state, strict=True):
        np.testing.assert_array_equal(was, variable.numpy())
