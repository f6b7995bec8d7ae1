"""The settings of agents: the base of all agents' configurations.

`quinoa.config.fields` says how a field is declared.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, ClassVar, Literal

from quinoa.agents.exploration import ActionNoise, Exploration, OrnsteinUhlenbeck
from quinoa.config.fields import Absent, Bounds, check, require

# Which layers read images, see `quinoa.agents.convolutions`.
Convolutions = Literal["auto", "minatar", "a3c", "a3c_standardized", "nature"]
LayerSizes = tuple[Annotated[int, Bounds(at_least=1)], ...]
# Which hidden layers have layer normalisation before their ReLU: none, each of them, or the first
# alone, which takes half the time where there are two.
LayerNorm = Literal[False, True, "first"]
# How hidden layers are put together: see `check_network`.
NetworkKind = Literal["mlp", "simba"]


def check_network(kind: NetworkKind, hidden_sizes: LayerSizes, *, layer_norm: LayerNorm) -> None:
    """Checks settings of a network; raises `ConfigError`.

    Args:
        kind: `mlp`, or `simba` for residual blocks, of which each has layer normalisation.
        hidden_sizes: of the hidden layers; with `simba`, the width of each block.
        layer_norm: which layers of an `mlp` have layer normalisation.
    """
    if kind == "simba":
        require(
            len(set(hidden_sizes)) == 1,
            "hidden_sizes",
            hidden_sizes,
            "one width for each block, all the same, with network = 'simba'",
        )
        require(
            not layer_norm,
            "layer_norm",
            layer_norm,
            "false with network = 'simba', which has layer normalisation of its own",
        )


@dataclasses.dataclass(frozen=True)
class AgentConfig:
    """Settings of every agent.

    Agents derive theirs from `OffPolicyConfig`, `OnPolicyConfig` or `DemonstrationConfig`, by what
    their learner reads, and add their own fields and defaults.

    Attributes:
        has_actors: whether actors act for it. Where none do, as where it learns from demonstrations
            alone, a run's length is in gradient steps.
    """

    has_actors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Checks every field against its bounds; raises `ConfigError`.

        A subclass whose fields depend on one another checks that in its own `__post_init__`, by
        `require`, after this one.
        """
        check(self)

    def gradient_steps(self, budget: int) -> int | None:
        """How many gradient steps a run of this length has, about.

        Args:
            budget: actor steps, or gradient steps where the agent has no actors.

        Returns:
            At least 1; None where it depends on how fast actors and learner are.
        """
        return None if self.has_actors else budget


@dataclasses.dataclass(frozen=True)
class DemonstrationConfig(AgentConfig):
    """Settings of agents that learn from demonstrations alone: they share none with others.

    Attributes:
        default_steps: the gradient steps of a run that is not told how many.
    """

    has_actors: ClassVar[bool] = False
    default_steps: ClassVar[int] = 200


@dataclasses.dataclass(frozen=True)
class LearnerConfig(AgentConfig):
    """Settings of every agent that learns by gradient steps from acting.

    A `quinoa.agents.learner.Learner` minimises its losses.
    """

    discount: Annotated[float, Bounds(at_least=0, at_most=1)] = 0.99
    """The agent's discount γ; the environment's own discount is multiplied into it."""
    batch_size: Annotated[int, Bounds(at_least=1)] = 256
    """Transitions in one gradient step."""
    max_gradient_norm: Annotated[float, Bounds(at_least=0)] = 0.0
    """Gradients of each loss are scaled down to this global norm; 0 leaves them as they are."""
    weight_decay: Annotated[float, Bounds(at_least=0), Absent(0.0)] = 0.0
    """λ of decoupled weight decay (Loshchilov & Hutter, 2019, Algorithm 2): at each update, weight
    matrices also shrink by the learning rate times λ of themselves. Biases do not."""
    learning_rate_schedule: Annotated[
        Literal["constant", "linear", "cosine"], Absent("constant")
    ] = "constant"
    """How learning rates fall over the gradient steps of the run: not at all, along a line, or
    along half a period of a cosine (Loshchilov & Hutter, 2017, Eq. 5)."""
    learning_rate_final: Annotated[float, Bounds(at_least=0, at_most=1), Absent(0.0)] = 0.0
    """What learning rates have fallen to at the end of the run, as a fraction of what they were at
    the start; for a schedule that is not `constant`."""
    reset_period: Annotated[int, Bounds(at_least=0), Absent(0)] = 0
    """After each so many gradient steps, all that is learned is as at the start of another run, and
    replay stays (Nikishin et al., 2022); 0 is never, as on-policy, where there is no replay.
    Statistics of observations and rewards stay too, and schedules go on. Networks that were taken
    from another run (--init_from) do not come back."""
    evaluation_average: Annotated[float, Bounds(at_least=0, below=1), Absent(0.0)] = 0.0
    """How far the parameters that evaluations and exports have move towards the policy's at each
    gradient step: an exponential moving average. Actors have the policy's own. 0 has evaluations
    and exports take the policy's own too."""
    normalize_observations: Annotated[bool, Absent(False)] = False
    """Whether the agent sees (s − mean) / deviation, of all observations that it has learned from,
    in place of s."""
    observation_clip: Annotated[float, Bounds(above=0), Absent(5.0)] = 5.0
    """Normalised observations are within ± this."""
    scale_rewards: Annotated[bool, Absent(False)] = False
    """Whether the agent sees r / deviation in place of r: of G ← γ G + r since the episode began,
    over all transitions that it has learned from."""
    statistics_memory: Annotated[int, Bounds(at_least=1), Absent(1_000_000)] = 1_000_000
    """The most transitions that mean and deviation are of; older ones are forgotten
    exponentially."""

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading shape of the transitions in one gradient step."""
        return (self.batch_size,)

    @property
    def max_transitions_stored(self) -> int:
        """The most transitions that wait to be learned from at a time, about."""
        return self.batch_size

    def exploration(self) -> Exploration | None:
        """What actors add to the actions that their policy gives, beside what it draws itself.

        It is for actions from a box. Extras of a transition are of the policy's own action, before
        this.

        Returns:
            The noise's description; None, where actors do what the policy says.
        """
        return None

    def sampling(self) -> ActionNoise:
        """What actors draw the actions of successive steps with.

        Returns:
            `white`, noise that is new in each step; or `pink`, see `quinoa.agents.pink_noise`.
        """
        return "white"

    def transitions_before_learning(self, num_environments: int, steps_per_call: int) -> int:
        """How many transitions the actors have written when the first gradient step is done.

        Args:
            num_environments: over all actors.
            steps_per_call: K, the gradient steps that are done at a time.

        Raises:
            ConfigError: the agent cannot learn from so many environments.
        """
        del num_environments, steps_per_call
        return 0


@dataclasses.dataclass(frozen=True)
class OffPolicyConfig(LearnerConfig):
    """Settings of agents that learn from replay (off-policy)."""

    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 128.0
    """How often each transition is sampled, on average, before it is evicted: with a batch of 256,
    256 is one gradient step per environment step, and 128 one per two. 0 sets no ratio: actors and
    learner both go as fast as they can."""
    segment_length: Annotated[int, Bounds(at_least=1)] = 16
    """Consecutive transitions of one environment that make one replay item."""
    min_replay_size: Annotated[int, Bounds(at_least=1)] = 2_000
    """Transitions in replay before the first gradient step."""
    max_replay_size: Annotated[int, Bounds(at_least=1)] = 1_000_000
    """The most transitions in replay; at least `min_replay_size` and `segment_length`."""
    n_step: Annotated[int, Bounds(at_least=1), Absent(1)] = 1
    """Rewards before the value of a state is bootstrapped from (Sutton & Barto, 2018, Eq. 7.1).
    Above 1 the target is of the actions that replay has after the first, without a correction for
    what the policy of now would choose, and without their entropies unless the agent says
    otherwise (`dqn`'s soft backups, `path_consistency`)."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        require(
            self.max_replay_size >= max(self.min_replay_size, self.segment_length),
            "max_replay_size",
            self.max_replay_size,
            "at least min_replay_size and segment_length",
        )

    @property
    def max_transitions_stored(self) -> int:
        """See the base class."""
        return self.max_replay_size

    def transitions_before_learning(self, num_environments: int, steps_per_call: int) -> int:
        """See the base class: replay gets an environment's steps a segment at a time, late.

        Those after `min_replay_size` are as many as make the first call's samples due.
        """
        sampled = steps_per_call * self.batch_size
        due = math.ceil(sampled / self.samples_per_insert) if self.samples_per_insert else 0
        in_replay = max(self.min_replay_size + due, self.segment_length * num_environments)
        return in_replay + num_environments * (self.n_step - 1)

    def gradient_steps(self, budget: int) -> int | None:
        """See the base class: None without a ratio of samples to insertions."""
        if not self.has_actors:
            return budget
        if not self.samples_per_insert:
            return None
        sampled = self.samples_per_insert * (budget - self.min_replay_size)
        return max(1, round(sampled / self.batch_size))


@dataclasses.dataclass(frozen=True)
class SampledConfig(OffPolicyConfig):
    """Settings of an agent whose actors explore by what their policy draws, and by that alone."""

    action_noise: Annotated[ActionNoise, Absent("white")] = "white"
    """What actors draw successive actions with: noise that is new in each step (`white`), or that
    varies slowly (`pink`; Eberhard et al., 2023), so that they try something for longer. Each
    action for itself is distributed as the policy says; evaluations have nothing of it."""

    def sampling(self) -> ActionNoise:
        """See the base class."""
        return self.action_noise


@dataclasses.dataclass(frozen=True)
class TemperatureConfig(SampledConfig):
    """Settings of agents whose temperature may be learned.

    `quinoa.agents.temperature` learns it.
    """

    adaptive_temperature: Annotated[bool, Absent(False)] = False
    """Whether the temperature is learned, as SAC's is, so that the policy's entropy comes to
    `target_entropy`; its setting is then what it is at first. One number does not fit tasks whose
    rewards differ in scale, or that pay next to nothing until something has been learned."""
    target_entropy: Annotated[float, Bounds(below=math.log(2.0)), Absent(-1.0)] = -1.0
    """The entropy for each action dimension that an adaptive temperature drives the policy to, as
    that of a density on [-1, 1]: log 2 = 0.693 is a uniform one's, and -1 what SAC aims at."""


@dataclasses.dataclass(frozen=True)
class NoisyConfig(OffPolicyConfig):
    """Settings of an agent whose actors explore by an Ornstein-Uhlenbeck process."""

    noise_theta: Annotated[float, Bounds(above=0, at_most=1)] = 0.15
    """θ of the noise that actors add to actions: how much of it a step takes away; 1 is white
    noise."""
    noise_sigma: Annotated[float, Bounds(at_least=0)] = 0.2
    """σ of the noise that actors add to actions: what a step adds to it; 0 is no noise. Its
    deviation goes to σ / √(θ (2 − θ))."""

    def exploration(self) -> OrnsteinUhlenbeck | None:
        """See the base class."""
        if not self.noise_sigma:
            return None
        return OrnsteinUhlenbeck(self.noise_theta, self.noise_sigma)


@dataclasses.dataclass(frozen=True)
class OnPolicyConfig(LearnerConfig):
    """Settings of agents that learn from each transition once (on-policy).

    One gradient step is done on `batch_size` / `segment_length` segments, of every environment as
    many, which were all acted with the parameters that the step starts from.
    """

    segment_length: Annotated[int, Bounds(at_least=1)] = 16
    """Consecutive transitions of one environment, acted with the same parameters: the n of n-step
    returns at most."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        require(
            self.batch_size % self.segment_length == 0,
            "batch_size",
            self.batch_size,
            f"a multiple of segment_length, which is {self.segment_length}",
        )
        # What is learned from next was acted before the reset, and there is no replay that stays.
        require(
            not self.reset_period,
            "reset_period",
            self.reset_period,
            "0 for an agent that learns on-policy: resets need replay to learn from anew",
        )

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """See the base class: [S, L], S segments of L transitions in time order."""
        return (self.batch_size // self.segment_length, self.segment_length)

    def transitions_before_learning(self, num_environments: int, steps_per_call: int) -> int:
        """See the base class: one batch, of every environment as many segments."""
        del steps_per_call
        self.segments_per_environment(num_environments)
        return self.batch_size

    def gradient_steps(self, budget: int) -> int:
        """See the base class: each transition is learned from once."""
        return max(1, budget // self.batch_size) if self.has_actors else budget

    def segments_per_environment(self, num_environments: int) -> int:
        """How many segments of one environment there are in a batch.

        Args:
            num_environments: over all actors.

        Raises:
            ConfigError: a batch is no multiple of a segment of each.
        """
        of_each = num_environments * self.segment_length
        require(
            self.batch_size % of_each == 0,
            "batch_size",
            self.batch_size,
            f"a multiple of {of_each}: segment_length times {num_environments} environments, over "
            "all actors",
        )
        return self.batch_size // of_each
