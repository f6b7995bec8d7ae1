"""A learned policy, from an environment's own observations to its own actions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.agents.protocol import Policy as NetworkPolicy
    from quinoa.environments.layout import Layout


class Policy:
    """The policy of a run: call it with an observation, and it answers with an action.

        policy = quinoa.load("runs/RUN").policy()
        observation, _ = env.reset()
        action = policy(observation)

    Observations are those that the environment gives, nested as its own are, before anything is
    made of them; actions are those that it takes, within its bounds. Any thread may call it.
    """

    def __init__(self, policy: NetworkPolicy, layout: Layout):
        """Takes a policy's network, and what its environment's numbers mean.

        Args:
            policy: from flat observations, float32 [B, O], to actions in [-1, 1].
            layout: of the environment that it was trained in.
        """
        import tensorflow as tf

        self._layout = layout
        self._to_own = layout.action_map
        self._policy = policy
        # Sampling is stateful in nothing but this number.
        self._draws = 0
        self._lock = threading.Lock()
        observations = tf.TensorSpec([None, layout.observation_size], tf.float32)
        seeds = tf.TensorSpec([2], tf.int32)
        self._mode = tf.function(lambda observation: policy(observation).mode(), [observations])
        self._sample = tf.function(
            lambda observation, seed: policy(observation).sample(seed=seed), [observations, seeds]
        )

    def __call__(
        self, observation: Any, *, sample: bool = False, seed: int | None = None
    ) -> npt.NDArray[Any]:
        """What the policy does.

        Args:
            observation: as the environment gives it; or B of them, every array of it with a leading
                dimension [B].
            sample: whether to draw an action, rather than to take the mode of the policy.
            seed: of what is drawn; without one, each call draws anew.

        Returns:
            An action of the environment's shape and dtype; or B of them, with a leading dimension.

        Raises:
            ValueError: the observation is not of the run's environment, or not finite.
        """
        flat, is_batch = self._layout.flatten(observation)
        if sample:
            drawn = self._sample(flat, np.array([self._next(seed), 0], np.int32))
        else:
            drawn = self._mode(flat)
        actions = self._to_own(np.clip(drawn.numpy(), np.float32(-1), np.float32(1)))
        return actions if is_batch else actions[0]

    def predict(
        self, observation: Any, state: None = None, *, deterministic: bool = True
    ) -> tuple[npt.NDArray[Any], None]:
        """The same in the form of Stable-Baselines3: an action, and no state."""
        del state
        return self(observation, sample=not deterministic), None

    def _next(self, seed: int | None) -> int:
        if seed is not None:
            return int(seed) % 2**31
        with self._lock:
            self._draws += 1
            return self._draws % 2**31

    def __repr__(self) -> str:
        """What it takes and gives."""
        parts = ", ".join(f"{part.name} {list(part.shape)}" for part in self._layout.observation)
        actions = f"{self._layout.action_dtype} {list(self._layout.action_shape)}"
        return f"<Policy: {parts} -> action {actions}>"
