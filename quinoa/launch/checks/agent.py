"""The checks of an agent; each raises `CheckError`, whose message says what to change.

They test what `quinoa.agents.protocol` requires, and what the learner, the actors and checkpoints
rely on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from acme import specs

from quinoa.agents import protocol
from quinoa.config import parsing
from quinoa.launch.checks import dependence, improvement, learning, losses, policy, sources
from quinoa.launch.checks.base import Check, CheckError, described, require
from quinoa.launch.checks.subject import AgentSubject
from quinoa.launch.checks.variables import listed


def config_is_kept(subject: AgentSubject) -> str:
    """A run's settings are saved as JSON, compared, and read back."""
    agent_class, config_class = subject.agent.agent_class, subject.agent.config_class
    require(
        getattr(agent_class, "Config", None) is config_class,
        f"the class Agent names another Config: write Config = {config_class.__name__} in it",
    )
    config = subject.config
    try:
        fields = json.loads(json.dumps(parsing.to_json(config), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CheckError(
            f"Config cannot be written as JSON ({error}): make each field a number, text, bool or "
            "tuple of them, and finite"
        ) from error
    try:
        restored = parsing.from_json(config_class, fields)
    except protocol.ConfigError as error:
        raise CheckError(f"Config cannot be read back from JSON: {error}") from error
    require(
        restored == config,
        "Config read back from JSON differs from what was written: make it a frozen dataclass "
        "whose __post_init__ only checks",
    )
    return ""


def is_made(subject: AgentSubject) -> str:
    """The agent can be made, and has a policy and groups."""
    agent = subject.make_agent()
    require(
        isinstance(getattr(agent, "policy", None), protocol.Policy),
        "Agent has no policy: set self.policy in __init__ to a subclass of "
        "quinoa.agents.protocol.Policy (self.make_policy(config, spec))",
    )
    groups = agent.parameter_groups()
    require(bool(groups), "parameter_groups returns none: nothing would be learned")
    unknown = set(agent.on_purpose()) - protocol.ON_PURPOSE
    require(
        not unknown,
        f"on_purpose names {listed(sorted(unknown))}: it may name "
        f"{', '.join(sorted(protocol.ON_PURPOSE))}",
    )
    subject.make_policy()
    return ""


def refuses_other_specs(subject: AgentSubject) -> str:
    """An environment that does not fit is an error where agent and policy are made."""
    agent_class = subject.agent.agent_class
    unfit = {"images": subject.spec._replace(observations=specs.Array((8, 8, 3), np.uint8))}
    if not isinstance(subject.actions, protocol.Box):
        others = specs.BoundedArray((2,), np.float32, -1.0, 1.0)
        unfit["actions from a box"] = subject.spec._replace(actions=others)
    else:
        unfit["a finite set of actions"] = subject.spec._replace(actions=specs.DiscreteArray(3))
    for of_what, spec in unfit.items():
        if _accepts(agent_class, spec):
            continue
        for what, make in (
            ("Agent.__init__", agent_class),
            ("make_policy", agent_class.make_policy),
        ):
            try:
                make(subject.config, spec)
            except protocol.SpecError:
                continue
            except Exception as error:
                raise CheckError(
                    f"{what} fails for {of_what} with {described(error)}: call "
                    "quinoa.agents.protocol.check_spec(spec) first (super().__init__ does in the "
                    "agent)"
                ) from error
            raise CheckError(
                f"{what} takes {of_what}: call quinoa.agents.protocol.check_spec(spec) first"
            )
    return ""


def _accepts(agent_class: type[protocol.Agent], spec: specs.EnvironmentSpec) -> bool:
    """Whether an agent says that it can be made for an environment of these specs."""
    try:
        agent_class.check_spec(spec)
    except protocol.SpecError:
        return False
    return True


CHECKS: Sequence[Check[AgentSubject]] = (
    Check("the configuration is kept as JSON", config_is_kept, is_needed=True),
    Check("the agent is made for the environment", is_made, is_needed=True),
    Check("environments that are not canonical are refused", refuses_other_specs),
    Check(
        "the policy's samples, modes and densities have their shapes", policy.policy_has_its_shapes
    ),
    Check("its actions are the environment's", policy.actions_are_the_environments),
    Check("its densities are finite for every action", policy.densities_are_finite),
    Check("actors add what is declared", policy.extras_are_as_declared),
    Check("what is learned from is what actors write", sources.learner_gets_what_is_written),
    Check("actors load what the agent learns", policy.actors_have_the_policy),
    Check("the losses are finite scalars", losses.losses_are_scalars, is_needed=True),
    Check("gradients reach every variable of the groups", losses.gradients_reach_every_variable),
    Check("every variable is trained or a target", losses.every_variable_is_accounted_for),
    Check(
        "losses depend on reward, next state and discount",
        dependence.losses_follow_reward_and_discount,
    ),
    Check("losses are means over transitions", dependence.losses_are_means_over_transitions),
    Check(
        "no gradient goes through the next state's value",
        dependence.no_gradient_goes_through_next_values,
    ),
    Check("gradient steps, targets and metrics work in one graph", learning.learns_in_one_graph),
    Check("XLA, which a GPU needs, knows its operations", learning.can_be_compiled_by_xla),
    Check("K steps in one call are K calls", learning.calls_may_have_any_length),
    Check("a restored learner continues bit for bit", learning.continues_from_a_checkpoint),
    Check("the policy goes to where rewards are", improvement.policy_goes_to_reward),
)
