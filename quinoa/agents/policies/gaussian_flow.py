"""A Gaussian moved by additive couplings: a density with its integral known, and its peak too.

The flow of MEow (Chao et al., 2024, section 3.1), in the coordinates y = atanh(a): a Gaussian of
mean 0, whose standard deviations depend on the state alone, and couplings that add to one half of
the dimensions what a network makes of the other half and the state. Neither changes volumes by an
amount that depends on the action, so that the density is an energy, which the action enters, times
a number, which it does not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import sonnet as snt
import tensorflow as tf
import tensorflow_probability as tfp

from quinoa.agents import networks
from quinoa.agents.config import LayerNorm
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.policies import squash
from quinoa.agents.policies.couplings import Additive
from quinoa.agents.policies.flow import BoxFlow, Coupling, conditioned, form_of, moved_halves
from quinoa.agents.protocol import Policy, PolicyPart

# log σ at the start: there the tanh of the Gaussian is nearly uniform, and with σ far above 1
# actions gather at the box's edge. It is that, or what is nearest to it without the twentieth of
# the range of log σ at either end, where the network would have hardly any gradient.
_INITIAL_LOG_STDDEV = -0.43
_MARGIN = 0.05


class GaussianFlow(BoxFlow):
    """N(0, σ²) in y = atanh(a), moved by additive couplings; event shape [A]."""

    def __init__(
        self,
        couplings: Sequence[Coupling],
        kind: Additive,
        log_stddev: tf.Tensor,
        name: str = "GaussianFlow",
    ):
        """Makes the distribution.

        Args:
            couplings: the couplings, in the order in which sampling applies them.
            kind: the couplings' kind.
            log_stddev: log σ, float32 [B, A].
            name: the distribution's name.
        """
        self._log_stddev = log_stddev
        batch_size = log_stddev.shape[0] or tf.shape(log_stddev)[0]
        super().__init__(couplings, kind, batch_size, log_stddev.shape[1], name=name)

    def log_normalizer(self) -> tf.Tensor:
        """Log ∫ exp(`energy`(a)) da over the box, float32 [B]; see `log_normalizer`."""
        return log_normalizer(self._log_stddev)

    def energy(self, action: tf.Tensor) -> tf.Tensor:
        """The log-density without its normaliser, which no action enters: float32 [...].

        −½ Σ (x/σ)² − Σ log|da/dy|, where x is the action's base point. It is the logarithm of what
        MEow's section 3.1 calls the unnormalised density.

        Args:
            action: float32 [..., A], of which the last but one dimension is B.
        """
        y = tf.reshape(self._kind.from_action(action), [-1, self._action_size])
        x, log_det = self.pull(y)
        return tf.reshape(self._energy(x, y, log_det), tf.shape(action)[:-1])

    def _energy(self, x: tf.Tensor, y: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
        normal = tf.reshape(x, [-1, self._batch_size, self._action_size])
        normal *= tf.exp(-self._log_stddev)
        squares = tf.reshape(tf.reduce_sum(tf.square(normal), axis=-1), [-1])
        return log_det - 0.5 * squares - tf.reduce_sum(self._kind.log_slope(y), axis=-1)

    def _log_density(self, x: tf.Tensor, y: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
        energy = tf.reshape(self._energy(x, y, log_det), [-1, self._batch_size])
        return tf.reshape(energy - self.log_normalizer(), [-1])

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        shape = [n, self._batch_size, self._action_size]
        noise = tf.random.stateless_normal(shape, tfp.random.sanitize_seed(seed))
        x = tf.reshape(noise * tf.exp(self._log_stddev), [-1, self._action_size])
        return tf.reshape(self._kind.to_action(self.push(x)[0]), shape)

    def _mode(self) -> tf.Tensor:
        """The image of 0: where the density of y = atanh(a) is highest, exactly.

        It is MEow's deterministic action (section 3.3; `sample` with `deterministic` in the
        authors' code). The density of the action itself, which is that of y divided by the slope of
        tanh, peaks somewhat further out: in one dimension with shift t at the y with
        y = t + 2 σ² tanh(y).
        """
        return self._kind.to_action(self.push(tf.zeros_like(self._log_stddev))[0])


def log_normalizer(log_stddev: tf.Tensor) -> tf.Tensor:
    """Σ log σ + A/2 log 2π, float32 [B], for log σ, float32 [B, A].

    Of the Gaussian, and so of the flow: additive couplings leave volumes as they are.
    """
    constant = 0.5 * log_stddev.shape[-1] * math.log(2.0 * math.pi)
    return tf.reduce_sum(log_stddev, axis=-1) + constant


class LogStddev(PolicyPart):
    """log σ(s), within bounds; at the start the same for every state, with actions near uniform."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        bounds: tuple[float, float],
        name: str = "log_stddev",
    ):
        """Makes the network for observations [B, observation_size].

        Args:
            observation_size: O.
            action_size: A.
            hidden_sizes: of its ReLU network.
            bounds: the least and the greatest log σ.
            name: the module's name.
        """
        super().__init__(name=name)
        self._low, self._high = bounds
        sizes = [*hidden_sizes, action_size]
        self._network = networks.mlp(observation_size, sizes, zero_output=True, name="network")
        biases = networks.layers_of(self._network)[-1].biases
        margin = _MARGIN * (self._high - self._low)
        start = min(max(_INITIAL_LOG_STDDEV, self._low + margin), self._high - margin)
        biases.assign(tf.fill([action_size], squash.output_for(start, self._low, self._high)))

    def __call__(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns log σ, float32 [B, A], for observations, float32 [B, O]."""
        return squash.within(self._network(observation), self._low, self._high)

    def numpy_form(self) -> NumpyForm:
        """Its part of the form of a policy."""
        settings = {
            "min_log_stddev": np.array(self._low, np.float32),
            "max_log_stddev": np.array(self._high, np.float32),
        }
        return NumpyForm(settings, {"log_stddev": networks.layers_of(self._network)})


class GaussianFlowPolicy(Policy):
    """A `GaussianFlow` whose networks all take the state; its couplings start as the identity."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        couplings: Additive,
        num_couplings: int,
        hidden_sizes: Sequence[int],
        layer_norm: LayerNorm,
        log_stddev: LogStddev,
        name: str = "policy",
    ):
        """Makes the policy and creates its variables.

        Args:
            observation_size: O.
            action_size: A.
            couplings: the couplings' kind.
            num_couplings: how many couplings; they move the halves of the action alternately.
            hidden_sizes: the hidden layers of each coupling's network.
            layer_norm: of these networks; see `networks.mlp`.
            log_stddev: σ of the Gaussian, part of the policy.
            name: the module's name.
        """
        super().__init__(name=name)
        self.log_stddev = log_stddev
        self._action_size = action_size
        self._kind = couplings
        self._layer_norm = layer_norm
        self._conditioners: list[tuple[bool, snt.nets.MLP]] = []
        for index, first, moved in moved_halves(num_couplings, action_size):
            network = networks.mlp(
                action_size - moved + observation_size,
                [*hidden_sizes, couplings.outputs * moved],
                layer_norm=layer_norm,
                zero_output=True,
                name=f"coupling_{index}",
            )
            self._conditioners.append((first, network))

    def initialize(self, observation: tf.Tensor, action: tf.Tensor) -> None:
        """Does nothing: layer normalisation takes the place of a scaling by the first batch."""

    def __call__(self, observation: tf.Tensor) -> GaussianFlow:
        """See the base class."""
        return self._flow(observation, self._conditioners)

    def with_dropout(self, observation: tf.Tensor, rate: float, seed: tf.Tensor) -> GaussianFlow:
        """The same with dropout in the couplings' networks, as where it is trained.

        What is dropped differs from one action to the next, and so does not make another density;
        the normaliser, which has no dropout, stays exact.

        Args:
            observation: float32 [B, O].
            rate: see `networks.with_dropout`; 0 is the policy itself.
            seed: int32 [2].
        """
        if rate == 0.0:
            return self(observation)
        seeds = tf.random.experimental.stateless_split(seed, len(self._conditioners))
        dropped = functools.partial(networks.with_dropout, layer_norm=self._layer_norm, rate=rate)
        conditioners = [
            (first, functools.partial(dropped, network, seed=seeds[index]))
            for index, (first, network) in enumerate(self._conditioners)
        ]
        return self._flow(observation, conditioners)

    def _flow(
        self,
        observation: tf.Tensor,
        conditioners: Sequence[tuple[bool, Callable[[tf.Tensor], tf.Tensor]]],
    ) -> GaussianFlow:
        couplings = [
            conditioned(first, network, self._kind, observation) for first, network in conditioners
        ]
        return GaussianFlow(couplings, self._kind, self.log_stddev(observation))

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        of_stddev = self.log_stddev.numpy_form()
        couplings = [(first, networks.layers_of(each)) for first, each in self._conditioners]
        form = form_of("gaussian_flow", self._action_size, self._kind, couplings)
        settings = {
            **networks.settings_of(self._conditioners[0][1], layer_norm=self._layer_norm),
            **of_stddev.settings,
        }
        return NumpyForm({**form.settings, **settings}, {**form.layers, **of_stddev.layers})
