"""A learned policy that maps an environment's own observations to its own actions."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.agents.protocol import Policy as NetworkPolicy
    from quinoa.environments.layout import Layout


class Policy:
    """The policy of a run: called with an observation, it returns an action.

        policy = quinoa.load("runs/RUN").policy()
        observation, _ = env.reset()
        action = policy(observation)

    Observations are as the environment returns them, before any wrapping; actions are as the
    environment takes them, within its bounds. Any thread may call it.
    """

    def __init__(self, policy: NetworkPolicy, layout: Layout):
        """Wraps a policy network.

        Args:
            policy: maps canonical observations to canonical actions.
            layout: the layout of the environment that it was trained in.
        """
        import tensorflow as tf

        self._layout = layout
        self._to_own = layout.action_map
        self._policy = policy
        # The only state of sampling: samples are numbered, and the number is the seed.
        self._draws = 0
        self._lock = threading.Lock()
        of_one = layout.observation_spec
        self._observations = tf.TensorSpec([None, *of_one.shape], of_one.dtype)

    def __call__(
        self, observation: Any, *, sample: bool = False, seed: int | None = None
    ) -> npt.NDArray[Any]:
        """Chooses an action.

        Args:
            observation: an observation as the environment returns it, or a batch of B, in which
                every array has a leading dimension [B].
            sample: whether to sample an action instead of taking the policy's mode. A policy
                without a mode is always sampled.
            seed: the seed of the sample; by default every call uses another one.

        Returns:
            An action of the environment's shape and dtype, or a batch of them.

        Raises:
            ValueError: the observation does not fit the run's environment, or is not finite.
        """
        canonical, is_batch = self._layout.canonical(observation)
        if sample or not self._policy.has_mode:
            drawn = self._sample(canonical, np.array([self._next(seed), 0], np.int32))
        else:
            drawn = self._mode(canonical)
        actions = self._to_own(self._to_own.clipped(drawn.numpy()))
        return actions if is_batch else actions[0]

    def predict(
        self,
        observation: Any,
        state: None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], None]:
        """Chooses an action, by the interface of Stable-Baselines3.

        Args:
            observation: as of `__call__`.
            state: ignored, as policies have no memory.
            episode_start: ignored, likewise.
            deterministic: whether to take the policy's mode instead of a sample. It is True by
                default, unlike there.

        Returns:
            The action or the batch of actions, and None for the state.

        Raises:
            ValueError: as of `__call__`.
        """
        del state, episode_start
        return self(observation, sample=not deterministic), None

    @functools.cached_property
    def _mode(self) -> Any:
        from quinoa.agents import graphs

        return graphs.trace(
            lambda observation: self._policy.deterministic_action(self._policy(observation)),
            self._observations,
        )

    @functools.cached_property
    def _sample(self) -> Any:
        import tensorflow as tf

        from quinoa.agents import graphs

        return graphs.trace(
            lambda observation, seed: self._policy(observation).sample(seed=seed),
            self._observations,
            tf.TensorSpec([2], tf.int32),
        )

    def _next(self, seed: int | None) -> int:
        if seed is not None:
            return int(seed) % 2**31
        with self._lock:
            self._draws += 1
            return self._draws % 2**31

    def __repr__(self) -> str:
        """Shows the shapes of observations and actions."""
        parts = ", ".join(f"{part.name} {list(part.shape)}" for part in self._layout.observation)
        actions = f"{self._layout.action_dtype} {list(self._layout.action_shape)}"
        return f"<Policy: {parts} -> action {actions}>"
