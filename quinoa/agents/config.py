"""What an agent can be told: the base of all agents' configurations.

`quinoa.config.fields` says how a field is declared.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.config.fields import Bounds, check, require

LayerSizes = tuple[Annotated[int, Bounds(at_least=1)], ...]


@dataclasses.dataclass(frozen=True)
class AgentConfig:
    """What every off-policy agent must say. Subclasses add their own fields and defaults."""

    discount: Annotated[float, Bounds(at_least=0, at_most=1)] = 0.99
    """The agent's discount γ; the environment's own discount is multiplied into it."""
    batch_size: Annotated[int, Bounds(at_least=1)] = 256
    """Transitions in one gradient step."""
    max_gradient_norm: Annotated[float, Bounds(at_least=0)] = 0.0
    """Gradients of each loss are scaled down to this global norm; 0 leaves them as they are."""

    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 128.0
    """How often each transition is sampled, on average, before it is evicted: with a batch of 256,
    256 is one gradient step per environment step, and 128 one per two. 0 holds no ratio: actors and
    learner both go as fast as they can."""
    segment_length: Annotated[int, Bounds(at_least=1)] = 16
    """Consecutive transitions of one environment that make one replay item."""
    min_replay_size: Annotated[int, Bounds(at_least=1)] = 2_000
    """Transitions that replay holds before the first gradient step."""
    max_replay_size: Annotated[int, Bounds(at_least=1)] = 1_000_000
    """Transitions that replay holds at most; at least `min_replay_size` and `segment_length`."""

    def __post_init__(self) -> None:
        """Checks every field against its bounds; raises `ConfigError`.

        A subclass whose fields depend on one another checks that in its own `__post_init__`, by
        `require`, after this one.
        """
        check(self)
        require(
            self.max_replay_size >= max(self.min_replay_size, self.segment_length),
            "max_replay_size",
            self.max_replay_size,
            "at least min_replay_size and segment_length",
        )
