"""The ε-greedy policy: the action of the highest Q, and now and then any of a finite set."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from quinoa.agents import networks
from quinoa.agents.config import Convolutions
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.observations import ObservationSet
from quinoa.agents.protocol import Policy


class EpsilonGreedy(tfd.Distribution):
    """π(a) = ε / n + (1 − ε) [a = argmax Q] on n actions; event shape [], int32.

    Its mode is argmax Q even where ε is 1 and all actions are equally probable. Of several actions
    with the highest Q, the first one counts.
    """

    def __init__(self, q: tf.Tensor, epsilon: tf.Tensor, name: str = "EpsilonGreedy"):
        """Makes the distribution.

        Args:
            q: Q(s, ·), float32 [B, n].
            epsilon: ε, float32 [1], in (0, 1].
            name: of the operations.
        """
        parameters = dict(locals())
        number = q.shape[-1]
        self._best = tf.argmax(q, axis=-1, output_type=tf.int32)
        is_best = tf.one_hot(self._best, number, on_value=True, off_value=False)
        of_each = epsilon / float(number)
        self._log_probs = tf.where(
            is_best, tf.math.log(1.0 - epsilon + of_each), tf.math.log(of_each)
        )
        super().__init__(
            dtype=tf.int32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self._log_probs.shape[:-1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._log_probs)[:-1]

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        return tfd.Categorical(logits=self._log_probs).sample(n, seed=seed)

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        chosen = tf.one_hot(action, self._log_probs.shape[-1], dtype=tf.float32)
        return tf.reduce_sum(chosen * self._log_probs, axis=-1)

    def _entropy(self) -> tf.Tensor:
        return -tf.reduce_sum(tf.exp(self._log_probs) * self._log_probs, axis=-1)

    def _mode(self) -> tf.Tensor:
        return self._best


class EpsilonGreedyPolicy(Policy):
    """An `EpsilonGreedy` in the Q(s, ·) that a ReLU network gives.

    Attributes:
        epsilon: ε, float32 [1]. No gradient moves it, but it is a variable of the policy, so actors
            get it with the parameters whenever the agent assigns another in `after_step`.
    """

    def __init__(
        self,
        observations: ObservationSet | int,
        number: int,
        *,
        hidden_sizes: Sequence[int],
        epsilon: float,
        layer_norm: bool = False,
        residual: bool = False,
        convolutions: Convolutions = "auto",
        name: str = "policy",
    ):
        """Makes the policy, and creates its variables.

        Args:
            observations: of the environment; a number O stands for vectors [O].
            number: n, the actions of the set.
            hidden_sizes: the hidden layers of Q.
            epsilon: ε at the start, in (0, 1].
            layer_norm: see `networks.of_observations`.
            residual: likewise.
            convolutions: the layers that read images, where observations are images.
            name: the module's name.
        """
        super().__init__(name=name)
        self._layer_norm = layer_norm
        self.epsilon = tf.Variable([epsilon], dtype=tf.float32, trainable=False, name="epsilon")
        self._network = networks.of_observations(
            observations,
            [*hidden_sizes, number],
            layer_norm=layer_norm,
            residual=residual,
            convolutions=convolutions,
            name="network",
        )

    def scheduled(self) -> Collection[tf.Variable]:
        """See the base class."""
        return (self.epsilon,)

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        settings = {
            "layer_norm": np.array(self._layer_norm),
            "kind": np.array("epsilon_greedy"),
            **networks.settings_of(self._network),
        }
        layers = {"network": networks.layers_of(self._network)}
        return NumpyForm(settings, layers, {"epsilon": self.epsilon})

    def q(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns Q(s, ·), float32 [B, n], for observations, [B, O] or [B, H, W, C]."""
        return self._network(observation)

    def __call__(self, observation: tf.Tensor) -> EpsilonGreedy:
        """See the base class."""
        return EpsilonGreedy(self.q(observation), self.epsilon)
