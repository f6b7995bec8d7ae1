import pytest

from quinoa.agents.registry import LoadedAgent
from quinoa.launch.checks import agent, base, learning, losses, policy
from quinoa.launch.checks.subject import Subject
from tests.agents.fixtures import make_spec
from tests.agents.test_learner import AGENTS
from tests.launch.checks import agents


def subject(agent_class, config=None):
    return Subject(agents.loaded(agent_class, config), make_spec())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "iq_flow")) for name in AGENTS]
)
def test_the_built_in_agents_pass(name):
    agent_class, config = AGENTS[name]
    findings: list[base.Finding] = []
    of_agent = Subject(LoadedAgent(name, agent_class, type(config), config), make_spec())
    count, failed = base.go_through(agent.CHECKS, of_agent, findings.append)
    assert (count, failed) == (len(agent.CHECKS), 0), findings


@pytest.mark.parametrize("agent_class", [agents.Good, agents.Delayed])
def test_a_good_agent_passes(agent_class):
    findings: list[base.Finding] = []
    count, failed = base.go_through(agent.CHECKS, subject(agent_class), findings.append)
    assert (count, failed) == (len(agent.CHECKS), 0), findings


@pytest.mark.parametrize(
    ("check", "agent_class", "message"),
    [
        (agent.config_is_kept, agents.ConfigChangesItself, "whose __post_init__ only checks"),
        (agent.config_is_kept, agents.ConfigOfAnotherType, "may be an int, float"),
        (agent.is_made, agents.NoPolicy, "Agent has no policy: set self.policy"),
        (agent.refuses_other_specs, agents.UncheckedPolicy, "make_policy takes images: call"),
        (policy.policy_has_its_shapes, agents.OneForEachAction, r"batch shape \(5, 2\) and event"),
        (policy.policy_stays_in_the_box, agents.OutsideTheBox, r"sample\(\) reaches .*squash it"),
        (policy.actors_have_the_policy, agents.OtherSizesForActors, "of other shapes"),
        (policy.actors_have_the_policy, agents.LateVariables, "makes more variables: create all"),
        (losses.losses_are_scalars, agents.LossOfABatch, r"float32 \(8,\), not float32 \[\]"),
        (losses.losses_are_scalars, agents.LossNotFinite, "'value' is nan on random transitions"),
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
            r"no parameter group has _slow\._network.*after_step does not move them",
        ),
        (learning.learns_in_one_graph, agents.MetricNotFinite, "the metrics spread are not finite"),
        (
            learning.learns_in_one_graph,
            agents.MetricOfTheLearner,
            "returns loss, the learner's own",
        ),
        (
            learning.calls_may_have_any_length,
            agents.MovesInMetrics,
            "differ from 4 calls of one step",
        ),
        (learning.goes_on_from_a_checkpoint, agents.RandomOfItsOwn, "learns otherwise than one"),
        (
            learning.goes_on_from_a_checkpoint,
            agents.RemembersElsewhere,
            "learns otherwise than one that never stopped",
        ),
    ],
)
def test_each_fault_is_one_line_that_says_what_to_change(check, agent_class, message):
    with pytest.raises(base.CheckError, match=message) as raised:
        check(subject(agent_class))
    assert "\n" not in str(raised.value)


def test_a_density_that_is_infinite_at_the_edge_is_found():
    with pytest.raises(base.CheckError, match="must be finite on the whole box"):
        policy.policy_is_finite_on_the_box(subject(agents.Unclipped))


def test_what_the_agent_itself_raises_is_one_line_with_its_place():
    check = base.Check("it learns", learning.learns_in_one_graph)
    finding = base.find_out(check, subject(agents.FailsInAGraph))
    assert finding.error is not None
    assert "\n" not in finding.error
    assert "agents.py, line " in finding.error
    assert "AttributeError" in finding.error


def test_what_comes_after_a_check_that_is_needed_is_left_out():
    findings: list[base.Finding] = []
    count, failed = base.go_through(agent.CHECKS, subject(agents.NoPolicy), findings.append)
    assert (count, failed) == (2, 1)
    assert [finding.error is None for finding in findings] == [True, False]
