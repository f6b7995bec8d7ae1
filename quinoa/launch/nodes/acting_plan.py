"""What actors get of the learner once, and need neither the agent's code nor TensorFlow with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cloudpickle

from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.source import Source

if TYPE_CHECKING:
    from quinoa.agents.protocol import Policy


class ActingPlan(NamedTuple):
    """How actors act and write.

    Attributes:
        policy_class: the name of the policy's class.
        form: what to act with by NumPy; None where the policy has no NumPy form, or adds extras to
            each transition: actors then make the agent's policy and source themselves.
        source: what to write to; None where `form` is.
    """

    policy_class: str
    form: FormLayout | None = None
    source: Source | None = None

    def described(self) -> str:
        """What an actor says in its log of how it acts."""
        if self.form is not None:
            return f"{self.policy_class} acts with NumPy."
        return (
            f"{self.policy_class} acts with TensorFlow, as it defines no numpy_form of its own, or "
            "adds extras to transitions."
        )


def encoded(policy: Policy, source: Source) -> bytes:
    """The plan for the actors of an agent, as it is sent to them.

    Args:
        policy: of the agent.
        source: of the agent.

    Raises:
        ValueError: the policy's NumPy form has variables that are none of the policy's.
        TypeError, AttributeError, PicklingError: the source cannot be pickled.
    """
    from quinoa.agents import protocol
    from quinoa.agents.numpy_policy import own_form

    name = type(policy).__name__
    form = own_form(policy)
    if form is None or type(policy).extras is not protocol.Policy.extras:
        plan = ActingPlan(name)
    else:
        plan = ActingPlan(name, FormLayout(form, policy), source)
    text: bytes = cloudpickle.dumps(plan)
    return text


def decoded(plan: bytes) -> ActingPlan:
    """The plan that `encoded` has encoded; for bytes of the learner of the same run alone."""
    found: ActingPlan = cloudpickle.loads(plan)
    return found
