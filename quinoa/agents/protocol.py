"""What an algorithm says of itself; everything else is shared by all of them.

An agent is a module (a folder of this package, or any importable module of the user's) with

* `Config`: a dataclass that derives from `OffPolicyConfig` or `OnPolicyConfig`;
* `Agent`: a class that derives from `protocol.Agent`;
* optionally `PRESETS`, ready `Config`s by name, and `ABOUT`, a line about each by the same names.

The learner, the actor loop, replay and the launcher use nothing of it but what is declared here, or
where this file imports it from.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import sonnet as snt
import tensorflow as tf
from acme import specs

# For authors of agents, to whom this module is all that they need.
from quinoa.agents.actions import Box as Box
from quinoa.agents.actions import FiniteProduct as FiniteProduct
from quinoa.agents.actions import FiniteSet as FiniteSet
from quinoa.agents.canonical_spec import SpecError as SpecError
from quinoa.agents.canonical_spec import check_spec as check_spec
from quinoa.agents.canonical_spec import images_of_finite_sets as images_of_finite_sets
from quinoa.agents.config import AgentConfig as AgentConfig
from quinoa.agents.config import LayerSizes as LayerSizes
from quinoa.agents.config import LearnerConfig as LearnerConfig
from quinoa.agents.config import NoisyConfig as NoisyConfig
from quinoa.agents.config import OffPolicyConfig as OffPolicyConfig
from quinoa.agents.config import OnPolicyConfig as OnPolicyConfig
from quinoa.agents.config import SampledConfig as SampledConfig
from quinoa.agents.numpy_form import Layer as Layer
from quinoa.agents.numpy_form import NumpyForm as NumpyForm
from quinoa.agents.observations import Image as Image
from quinoa.agents.observations import Vector as Vector
from quinoa.agents.optimizers import SGD as SGD
from quinoa.agents.optimizers import Adam as Adam
from quinoa.agents.optimizers import Optimizer
from quinoa.agents.optimizers import RMSProp as RMSProp
from quinoa.agents.policy import Policy as Policy
from quinoa.agents.policy import PolicyPart as PolicyPart
from quinoa.agents.rows import RowLayout
from quinoa.agents.source import Source
from quinoa.agents.types import Seed, Transition
from quinoa.config.fields import Bounds as Bounds
from quinoa.config.fields import ConfigError as ConfigError
from quinoa.config.fields import require as require

# What `Agent.on_purpose` may name.
ON_PURPOSE = frozenset(("ignores_reward", "pairs_transitions", "residual_gradient"))


class ParameterGroup(NamedTuple):
    """Variables that one loss trains with one optimiser at one learning rate.

    Attributes:
        loss: the name of the loss, a key of what `Agent.losses` returns.
        variables: the variables; each belongs to one group only.
        learning_rate: the optimiser's step size, or a function without arguments that returns it
            (float32 [], from variables of the agent) at each step.
        period: the variables move at every gradient step whose number is a multiple of this, at
            least 1: 2 is the delayed policy update of TD3. The loss, its gradients and their norm
            are computed at every step all the same, and what they are at the steps between is not
            added up: the optimiser sees the gradients of the steps that it takes.
        optimizer: `Adam`, `RMSProp` or `SGD` of `quinoa.agents.optimizers`, with its settings.
    """

    loss: str
    variables: tuple[tf.Variable, ...]
    learning_rate: float | Callable[[], tf.Tensor]
    period: int = 1
    optimizer: Optimizer = Adam()


class Agent(snt.Module, abc.ABC):
    """An algorithm: its networks, its losses and how its targets move.

    All that is learned or remembered is a `tf.Variable` of this module, so that a checkpoint of
    it is whole.
    """

    Config: ClassVar[type[LearnerConfig]]
    policy: Policy

    def __init__(self, config: Any, spec: specs.EnvironmentSpec, name: str | None = None):
        """Subclasses make their networks here, for an environment of this spec.

        Args:
            config: an instance of the class's `Config`.
            spec: the specs of a canonical environment.
            name: the module's name.

        Raises:
            SpecError: see `check_spec`.
        """
        super().__init__(name=name)
        self.check_spec(spec)
        self._config = config
        self._spec = spec

    @staticmethod
    def check_spec(spec: specs.EnvironmentSpec) -> None:
        """Checks that this agent can be made for an environment; raises `SpecError`.

        This is for agents that take vectors and actions from a box. Others override it, with
        `check_spec(spec, actions=FiniteSet, observations=(Vector, Image))` for one.
        """
        check_spec(spec)

    @classmethod
    def make_source(
        cls,
        config: Any,
        spec: specs.EnvironmentSpec,
        *,
        num_environments: int,
        steps_per_call: int,
    ) -> Source:
        """Chooses what the learner reads.

        By default that is uniform replay of shuffled transitions for a configuration that derives
        from `OffPolicyConfig`, of n-step ones where its `n_step` is above 1; and a queue of whole
        segments for an `OnPolicyConfig`.

        Args:
            config: an instance of the class's `Config`.
            spec: the specs of a canonical environment.
            num_environments: over all actors.
            steps_per_call: K, the gradient steps in one call of the learner.

        Raises:
            ConfigError: the configuration is of neither kind, or cannot work with so many
                environments.
        """
        if not isinstance(config, (OffPolicyConfig, OnPolicyConfig)):
            raise ConfigError(
                f"{type(config).__name__} says nothing of where the learner reads: derive it from "
                "OffPolicyConfig or OnPolicyConfig, or override Agent.make_source."
            )
        layout = RowLayout(spec, cls.extras_spec(config, spec))
        if isinstance(config, OffPolicyConfig):
            from quinoa.agents.replay import NStepReplay, UniformReplay

            kind = UniformReplay if config.n_step == 1 else NStepReplay
            return kind(config, layout, steps_per_call=steps_per_call)
        from quinoa.agents.rollouts import Rollouts

        return Rollouts(config, layout, num_environments=num_environments)

    @staticmethod
    def extras_spec(config: Any, spec: specs.EnvironmentSpec) -> Mapping[str, specs.Array]:
        """Declares what `Policy.extras` gives for one transition, float32 each, by name.

        Args:
            config: an instance of the class's `Config`.
            spec: the specs of a canonical environment.
        """
        del config, spec
        return {}

    @staticmethod
    @abc.abstractmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> Policy:
        """Makes the policy alone, as an actor needs it, its variables created.

        Its variables are those of the `policy` of an agent made from the same arguments: as many,
        of the same shapes, in the same order. Raises `SpecError` by way of `check_spec`.
        """

    @abc.abstractmethod
    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """Returns what one gradient step minimises.

        Args:
            transitions: a batch, leading shape [B]; on-policy, [S, L]: S segments of L transitions
                in time order, of which the one after a `last` begins another episode.
            seed: int32 [2], another one at each step.

        Returns:
            The losses, float32 [] each, by name.
        """

    def losses_and_statistics(
        self, transitions: Transition, seed: Seed
    ) -> tuple[Mapping[str, tf.Tensor], Any]:
        """Returns the losses, and what `keep_statistics` gets of the same pass through networks.

        An agent whose networks remember what passes through them, as batch normalisation does,
        overrides this and `keep_statistics`, and has `losses` return the first of the two.

        Args:
            transitions: see `losses`.
            seed: see `losses`.

        Returns:
            What `losses` returns; and a nest of float32 tensors. A step with one that is not finite
            is skipped.
        """
        return self.losses(transitions, seed), ()

    def keep_statistics(self, step: tf.Tensor, statistics: Any) -> None:
        """Moves running statistics, once the optimisers have moved the parameters.

        It is not called where a step is skipped, and comes before `after_step`.

        Args:
            step: int64 [], the number of gradient steps done, this one included.
            statistics: of this step, as `losses_and_statistics` has returned them.
        """
        del step, statistics

    @abc.abstractmethod
    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Says which loss trains which variables, and how fast."""

    def initialize(self, transitions: Transition) -> None:
        """Initialises from the first batch, once, before the first gradient step."""
        del transitions

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """Moves targets and whatever else changes between gradient steps.

        Args:
            step: int64 [], the number of gradient steps done, this one included.
            transitions: the batch of this step.
            seed: int32 [2], not the one that `losses` had.
        """
        del step, transitions, seed

    def kept_in_resets(self) -> Collection[tf.Variable]:
        """Variables that are as they were after a reset: see `reset_period` of `LearnerConfig`.

        All others are then a new agent's, but for those that policies have `scheduled`. Statistics
        of what environments give, which are no part of what was learned, are an example.
        """
        return ()

    def value(self, observation: tf.Tensor) -> tf.Tensor | None:
        """V(s) as the agent sees it now, for people to look at: nothing is learned from it.

        An agent that has Q-functions only may give their mean over actions of its policy.

        Args:
            observation: [B, O] or [B, H, W, C].

        Returns:
            Float32 [B], in the units of a discounted return; None where the agent has no value.
        """
        del observation
        return None

    def action_values(self, observation: tf.Tensor) -> tf.Tensor | None:
        """Q(s, a) of each action of a finite set, for people to look at, as `value`.

        Returns:
            Float32 [B, n]; None where the agent has no Q, or actions are from no finite set.
        """
        del observation
        return None

    def action_value(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor | None:
        """Q(s, a) of actions from a box, [B, A]: float32 [B], or None; see `value`."""
        del observation, action
        return None

    def on_purpose(self) -> Collection[str]:
        """Names what this agent does on purpose and `quinoa check` takes for a fault in others.

        Returns:
            Any of `ON_PURPOSE`: `ignores_reward`, as imitation does; `pairs_transitions`, where a
            loss compares transitions of a batch with each other; `residual_gradient`, where
            gradients go through the value of the next state, as in residual algorithms and PCL.
        """
        return ()

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """Measures the agent on one batch, once for every fused call of gradient steps.

        Args:
            transitions: a batch, leading shape [B].
            seed: int32 [2].

        Returns:
            Metrics, float32 [] each, by name.
        """
        del transitions, seed
        return {}
