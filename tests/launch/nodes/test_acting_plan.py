from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from quinoa.agents import protocol, registry
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.agents.rollouts import Rollouts
from quinoa.launch.nodes import acting_plan
from tests.agents import tiny_on_policy
from tests.launch.helpers import experiment

BUILT_IN = registry.acting_names()

ACTS = """
import sys
import numpy as np
from quinoa.launch.nodes import acting_plan, actor, evaluator

data = np.load(sys.argv[1])
plan = acting_plan.decoded(data["plan"].tobytes())
policy = acting_plan.make_policy(plan, None, mode=True)
policy.assign(data["parameters"])
states = np.zeros((4, data["size"]), np.float32)
actions, extras = policy.samples(states.shape, seed=0)(states, 0)
assert actions.shape == (4, *data["action_shape"]) and np.isfinite(actions).all() and not extras
modes = policy.actions(states.shape, seed=0, sample=False)(states, 0)
assert modes.shape == (4, *data["action_shape"]) and np.isfinite(modes).all()
assert plan.source.segment_length == data["segment_length"]
loaded = {"tensorflow", "sonnet", "tensorflow_probability", "acme", "reverb"} & sys.modules.keys()
assert not loaded, loaded
"""


def of_kind(config: protocol.AgentConfig) -> dict[str, Any]:
    """What an experiment says of how much is learned: on-policy, a batch is of all environments."""
    if isinstance(config, protocol.OffPolicyConfig):
        return {}
    return {"samples_per_insert": None, "steps_per_call": 1, "environments_per_actor": 8}


@pytest.mark.parametrize("agent", BUILT_IN)
def test_every_agent_of_ours_is_acted_for_without_tensorflow(agent, tmp_path):
    loaded = registry.load(agent)
    of = experiment(agent=agent, agent_config=loaded.config, **of_kind(loaded.config))
    try:
        loaded.agent_class.check_spec(of.spec())
    except protocol.SpecError:
        # It takes actions from a finite set alone.
        of = dataclasses.replace(of, environment="toy:FrozenLake-v1")
    policy = loaded.agent_class.make_policy(of.config, of.spec())
    source = of.make_source()
    plan = acting_plan.encoded(policy, source)
    assert acting_plan.decoded(plan).described() == f"{type(policy).__name__} acts with NumPy."
    np.savez(
        tmp_path / "data.npz",
        plan=np.frombuffer(plan, np.uint8),
        parameters=flatten(policy),
        size=of.spec().observations.shape[0],
        action_shape=np.array(of.spec().actions.shape, np.int64),
        segment_length=source.segment_length,
    )
    command = [sys.executable, "-c", ACTS, str(tmp_path / "data.npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class AddsNothing(tiny_on_policy.Policy):
    def numpy_form(self):
        return super().numpy_form()


def test_a_policy_that_adds_extras_is_acted_with_by_tensorflow(tmp_path):
    """Its class has a form of its own, but a form says nothing of extras."""
    policy = AddsNothing(3, 2, hidden_sizes=[4])
    plan = acting_plan.decoded(acting_plan.encoded(policy, experiment().make_source()))
    assert plan.form is None and plan.source is None
    assert plan.described().startswith("AddsNothing acts with TensorFlow, as it")


def test_a_class_that_inherits_its_form_is_acted_with_by_tensorflow():
    policy = tiny_on_policy.Policy(3, 2, hidden_sizes=[4])
    assert acting_plan.decoded(acting_plan.encoded(policy, experiment().make_source())).form is None


class WithoutMode(TanhGaussianPolicy):
    has_mode = False

    def numpy_form(self):
        return super().numpy_form()


def test_a_policy_without_a_mode_is_sampled_from_for_an_evaluation():
    policy = WithoutMode(3, 2, hidden_sizes=[4])
    of = experiment()
    plan = acting_plan.decoded(acting_plan.encoded(policy, of.make_source()))
    made = acting_plan.make_policy(plan, of, mode=True)
    made.assign(flatten(policy))
    states = np.zeros((5, 3), np.float32)
    act = made.actions(states.shape, seed=0, sample=False)
    assert (act(states, 0) != act(states, 1)).any()


@pytest.mark.parametrize("mode", [False, True])
def test_without_a_form_the_agents_own_policy_is_made(mode):
    of = experiment()
    made = acting_plan.make_policy(acting_plan.ActingPlan("Own"), of, mode=mode)
    assert isinstance(made, CompiledPolicy)
    policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
    made.assign(flatten(policy))


def test_the_source_arrives_as_it_was(tmp_path):
    of = experiment()
    policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
    layout = of.make_source().layout
    config = tiny_on_policy.Config(batch_size=32)
    source = Rollouts(config, layout, num_environments=4)
    plan = acting_plan.decoded(acting_plan.encoded(policy, source))
    assert isinstance(plan.source, Rollouts)
    assert plan.source.polling_period_s == source.polling_period_s
    assert plan.source.layout.width == layout.width
