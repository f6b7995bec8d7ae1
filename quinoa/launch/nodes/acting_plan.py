"""What actors and the evaluator get of the learner once: how to act, if need be without TensorFlow.

With it they need neither the agent's code nor TensorFlow, where the policy has a NumPy form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle

from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.numpy_policy import NumpyPolicy, own_form
from quinoa.agents.source import Source
from quinoa.launch.experiment import Experiment

if TYPE_CHECKING:
    import numpy.typing as npt

    from quinoa.agents.compiled_policy import CompiledPolicy
    from quinoa.agents.protocol import Policy


class ActingPlan(NamedTuple):
    """How to act, and what actors write to.

    Attributes:
        policy_class: the name of the policy's class.
        form: what to act with by NumPy; None where the policy has no NumPy form, or adds extras to
            each transition: actors then make the agent's policy and source themselves.
        mode_settings: what the mode needs besides; None where the policy has no mode.
        source: what to write to; None where `form` is.
    """

    policy_class: str
    form: FormLayout | None = None
    mode_settings: Callable[[], Mapping[str, npt.NDArray[Any]]] | None = None
    source: Source | None = None

    def described(self) -> str:
        """What a process says in its log of how it acts."""
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
        TypeError, AttributeError, PicklingError: the source or the form cannot be pickled.
    """
    name = type(policy).__name__
    form = own_form(policy)
    if form is None or policy.adds_extras:
        plan = ActingPlan(name)
    else:
        mode_settings = form.mode_settings if policy.has_mode else None
        plan = ActingPlan(name, FormLayout(form, policy), mode_settings, source)
    text: bytes = cloudpickle.dumps(plan)
    return text


def decoded(plan: bytes) -> ActingPlan:
    """The plan that `encoded` has encoded; for bytes of the learner of the same run alone."""
    found: ActingPlan = cloudpickle.loads(plan)
    return found


def make_policy(
    plan: ActingPlan, experiment: Experiment, *, mode: bool
) -> NumpyPolicy | CompiledPolicy:
    """The policy of a plan, which gets its parameters by `assign`.

    Args:
        plan: of the run.
        experiment: of the run. Its agent is imported only where the plan has no NumPy form.
        mode: whether the mode is needed, where the policy has one.
    """
    if plan.form is not None:
        settings = plan.mode_settings() if mode and plan.mode_settings is not None else None
        return NumpyPolicy(plan.form, mode_settings=settings)
    # Imports TensorFlow.
    from quinoa.agents.compiled_policy import CompiledPolicy

    agent_class = experiment.agent_class()
    return CompiledPolicy(agent_class.make_policy(experiment.learner_config, experiment.spec()))
