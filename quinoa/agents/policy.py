"""What an algorithm says of its policy, π(·|s)."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping
from typing import Any

import sonnet as snt
import tensorflow as tf

from quinoa.agents.numpy_form import NumpyForm


class PolicyPart(snt.Module):
    """A network of a policy that an agent has a copy of elsewhere, as a target.

    `warm_start` takes a copy with the policies, not with the critics.
    """


class Policy(snt.Module, abc.ABC):
    """π(·|s). Its variables are all that actors need of an agent.

    Attributes:
        has_density: whether its distributions have `log_prob`. A policy that can be sampled alone,
            as a network of state and noise, sets it to False: nobody then asks for a density.
        has_mode: whether they have `mode`, or the policy another `deterministic_action`. Where it
            is False, samples take its place in evaluations and pictures.
    """

    has_density: bool = True
    has_mode: bool = True

    @abc.abstractmethod
    def __call__(self, observation: tf.Tensor) -> Any:
        """Returns a `tfp.distributions.Distribution` over actions.

        Args:
            observation: float32 [B, O]; or images, uint8 [B, H, W, C], where the agent takes them.

        Returns:
            A distribution of batch shape [B] with `sample`, and `log_prob` and `mode` unless the
            class says otherwise. For actions from a box its event shape is [A], and all of it is
            within [-1, 1]^A and finite everywhere on it; of a finite set it is [], of K sets [K].
        """

    def extras(self, distribution: Any, action: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """What actors add to each transition, as `Agent.extras_spec` declares it.

        Args:
            distribution: what the policy has returned for N observations.
            action: what was drawn from it, [N, ...].

        Returns:
            Float32 [N, *shape] each, by name; nothing for most policies.
        """
        del distribution, action
        return {}

    def deterministic_action(self, distribution: Any) -> tf.Tensor:
        """What the policy does where it does not sample, as in evaluations; not without `has_mode`.

        Args:
            distribution: what the policy has returned for B observations.

        Returns:
            Actions, [B, ...]; the mode, unless a policy has a better one.
        """
        mode: tf.Tensor = distribution.mode()
        return mode

    def scheduled(self) -> Collection[tf.Variable]:
        """Variables of a schedule, such as ε: kept in resets, not averaged, not warm-started."""
        return ()

    @property
    def adds_extras(self) -> bool:
        """Whether `extras` gives anything: it does where the class defines it."""
        return type(self).extras is not Policy.extras

    def numpy_form(self) -> NumpyForm | None:
        """What `quinoa.agents.policies.standalone` makes the same policy of.

        With it actors, which are then processes without TensorFlow, and an export act by NumPy
        alone. It counts only where the class itself defines it, as a derived class may compute
        something else; and actors use it only where the class adds no `extras`.

        Returns:
            The form; None for a policy that is of no kind that is known there.
        """
        return None
