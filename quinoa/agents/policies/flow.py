"""The flow policy: couplings on the action box (Quinoa paper, section 3; Dinh et al., 2017).

The base distribution is uniform on (-1, 1)^A. Couplings conditioned on the state transform it, in
the coordinates of their kind: Real NVP's affine ones in y = atanh(a), where the base is a logistic
distribution of scale 1/2. Couplings are initially the identity, so the initial policy is uniform.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from quinoa.agents import weight_norm
from quinoa.agents.numpy_form import Layer, NumpyForm
from quinoa.agents.policies.config import DeterministicAction
from quinoa.agents.policies.couplings import Couplings, Transform
from quinoa.agents.policies.deterministic import deterministic, deterministic_settings
from quinoa.agents.policies.mode_points import MODE_CANDIDATES, mode_points
from quinoa.agents.policies.mode_points import settings as of_mode
from quinoa.agents.protocol import Policy

# Log-densities closer than this, in nats, count as equal.
_EQUALLY_DENSE = 1e-3


class Coupling(NamedTuple):
    """One coupling, conditioned on a batch of B states.

    Attributes:
        first: whether it transforms the first half of the dimensions given the second, or the
            second given the first.
        conditioner: maps the given half, float32 [n B, given] (the B states repeated n times), to
            the transform of the other half.
    """

    first: bool
    conditioner: Callable[[tf.Tensor], Transform]


class BoxFlow(tfd.Distribution):
    """The uniform distribution on the box, transformed by couplings; event shape [A]."""

    def __init__(
        self,
        couplings: Sequence[Coupling],
        kind: Couplings,
        batch_size: tf.Tensor | int,
        action_size: int,
        name: str = "BoxFlow",
    ):
        """Makes the distribution.

        Args:
            couplings: the couplings, in the order in which sampling applies them.
            kind: the couplings' kind.
            batch_size: B.
            action_size: A.
            name: the distribution's name.
        """
        parameters = dict(locals())
        self._couplings = couplings
        self._kind = kind
        self._batch_size = batch_size
        self._action_size = action_size
        self._half = action_size // 2
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self) -> tf.TensorShape:
        static = self._batch_size if isinstance(self._batch_size, int) else None
        return tf.TensorShape([static])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.reshape(tf.convert_to_tensor(self._batch_size), [1])

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self._action_size])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([self._action_size])

    def _split(self, values: tf.Tensor, coupling: Coupling) -> tuple[tf.Tensor, tf.Tensor]:
        """Splits values into the half that a coupling transforms and the half that is given."""
        first, second = values[:, : self._half], values[:, self._half :]
        return (first, second) if coupling.first else (second, first)

    def _join(self, transformed: tf.Tensor, given: tf.Tensor, coupling: Coupling) -> tf.Tensor:
        halves = [transformed, given] if coupling.first else [given, transformed]
        return tf.concat(halves, axis=-1)

    def push(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Applies the couplings to base points.

        Args:
            x: float32 [n B, A], base points in the couplings' coordinates, n for each of the B
                states.

        Returns:
            y, float32 [n B, A], the actions in the same coordinates; log|det dy/dx|, float32 [n B].
        """
        log_det = tf.zeros([tf.shape(x)[0]])
        for coupling in self._couplings:
            half, given = self._split(x, coupling)
            half, change = coupling.conditioner(given).push(half)
            x = self._join(half, given, coupling)
            log_det += change
        return x, log_det

    def pull(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The inverse of `push`: x, float32 [n B, A], and log|det dx/dy|, float32 [n B]."""
        log_det = tf.zeros([tf.shape(y)[0]])
        for coupling in reversed(self._couplings):
            half, given = self._split(y, coupling)
            half, change = coupling.conditioner(given).pull(half)
            y = self._join(half, given, coupling)
            log_det += change
        return y, log_det

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        shape = [n * self._batch_size, self._action_size]
        seed = tfp.random.sanitize_seed(seed)
        uniform = tf.random.stateless_uniform(shape, seed, minval=-1.0)
        action = self._kind.to_action(self.push(self._kind.from_action(uniform))[0])
        return tf.reshape(action, [n, self._batch_size, self._action_size])

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        y = tf.reshape(self._kind.from_action(action), [-1, self._action_size])
        x, log_det = self.pull(y)
        return tf.reshape(self._log_density(x, y, log_det), tf.shape(action)[:-1])

    def _log_density(self, x: tf.Tensor, y: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
        """The log-density of the actions at y, given their base points x and log|det dx/dy|."""
        # The base's density is 1/2 per dimension in the box. At the identity both slopes cancel
        # exactly, so that the initial policy is uniform to the last bit.
        slopes = tf.reduce_sum(self._kind.log_slope(x) - self._kind.log_slope(y), axis=-1)
        return slopes + log_det - self._action_size * math.log(2.0)

    def _images(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Fixed base points in each state: a low-discrepancy set in the box, of P points.

        Returns:
            The points, float32 [P B, A], their images, of the same shape, and log|det dy/dx|,
            float32 [P B], as `push` gives them.
        """
        points = tf.constant(mode_points(self._action_size))
        x = tf.repeat(self._kind.from_action(points), self._batch_size, axis=0)
        return x, *self.push(x)

    def _mean(self) -> tf.Tensor:
        """The mean of the images of fixed base points, by quasi-Monte Carlo."""
        _, y, _ = self._images()
        shape = [MODE_CANDIDATES, self._batch_size, self._action_size]
        return tf.reduce_mean(tf.reshape(self._kind.to_action(y), shape), axis=0)

    def _mode(self) -> tf.Tensor:
        """The densest of the images of fixed base points."""
        x, y, log_det = self._images()
        densities = self._log_density(x, y, -log_det)
        densities = tf.reshape(densities, [MODE_CANDIDATES, self._batch_size])
        # The first of those whose densities differ by rounding alone, as points of one bin do.
        densest = densities > tf.reduce_max(densities, axis=0) - _EQUALLY_DENSE
        first = tf.argmax(tf.cast(densest, tf.int32), axis=0, output_type=tf.int32)
        images = tf.reshape(y, [MODE_CANDIDATES, self._batch_size, self._action_size])
        chosen = tf.gather(tf.transpose(images, [1, 0, 2]), first, batch_dims=1)
        return self._kind.to_action(chosen)


def moved_halves(num_couplings: int, action_size: int) -> Iterator[tuple[int, bool, int]]:
    """Which half of the action's dimensions each coupling of a chain moves, alternately.

    Args:
        num_couplings: of the chain.
        action_size: A.

    Yields:
        The coupling's index, whether it moves the first half, and how many dimensions that are. A
        coupling that would move none is left out: one dimension has no first half.
    """
    half = action_size // 2
    for index in range(num_couplings):
        first = index % 2 == 1
        moved = half if first else action_size - half
        if moved:
            yield index, first, moved


def conditioned(
    first: bool,
    network: Callable[[tf.Tensor], tf.Tensor],
    kind: Couplings,
    observation: tf.Tensor,
) -> Coupling:
    """Makes a coupling for a batch of states.

    Args:
        first: whether it moves the first half of the dimensions.
        network: maps the given half, as actions, and the state, float32 [N, given + O], to the
            outputs that `kind` makes a transform of.
        kind: the coupling's kind.
        observation: the states, float32 [B, O].
    """

    def conditioner(given: tf.Tensor) -> Transform:
        states = observation
        if given.shape[0] is None or given.shape[0] != observation.shape[0]:
            copies = tf.shape(given)[0] // tf.shape(observation)[0]
            states = tf.tile(observation, [copies, 1])
        # The network takes the given half as actions, so that its inputs are bounded.
        return kind.transform(network(tf.concat([kind.to_action(given), states], axis=-1)))

    return Coupling(first, conditioner)


def form_of(
    kind: str,
    action_size: int,
    couplings: Couplings,
    conditioners: Sequence[tuple[bool, Sequence[Layer]]],
) -> NumpyForm:
    """The form of a chain of couplings, to which a policy adds what else it has.

    Args:
        kind: of the policy.
        action_size: A.
        couplings: the couplings' kind.
        conditioners: of each coupling, whether it moves the first half, and its network's layers.
    """
    settings = {
        "kind": np.array(kind),
        "action_size": np.array(action_size),
        "first": np.array([first for first, _ in conditioners], np.bool_),
        **couplings.numpy_settings(),
    }
    layers = {f"coupling_{index}": each for index, (_, each) in enumerate(conditioners)}
    return NumpyForm(settings, layers)


class FlowPolicy(Policy):
    """A flow whose couplings' networks all take the state as input (Quinoa paper, section 3)."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        couplings: Couplings,
        num_couplings: int,
        hidden_sizes: Sequence[int],
        deterministic_action: DeterministicAction = "mode",
        name: str = "policy",
    ):
        """Makes the policy, initially uniform in every state, and creates its variables.

        Args:
            observation_size: O.
            action_size: A.
            couplings: the couplings' kind.
            num_couplings: how many couplings; they transform the halves of the action alternately.
            hidden_sizes: the hidden layers of each coupling's network.
            deterministic_action: what it does where it does not sample.
            name: the module's name.
        """
        super().__init__(name=name)
        self._deterministic_action = deterministic_action
        self._action_size = action_size
        self._kind = couplings
        self._conditioners: list[tuple[bool, weight_norm.WeightNormMLP]] = []
        for index, first, moved in moved_halves(num_couplings, action_size):
            network = weight_norm.WeightNormMLP(
                action_size - moved + observation_size,
                [*hidden_sizes, couplings.outputs * moved],
                activation=tf.nn.elu,
                stddev=couplings.stddev,
                normalize_output=couplings.normalize_output,
                name=f"coupling_{index}",
            )
            self._conditioners.append((first, network))

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        couplings = [(first, network.layers()) for first, network in self._conditioners]
        form = form_of(self._kind.kind, self._action_size, self._kind, couplings)
        settings = {**form.settings, **deterministic_settings(self._deterministic_action)}
        mode_settings = functools.partial(of_mode, self._action_size)
        return form._replace(settings=settings, mode_settings=mode_settings)

    def deterministic_action(self, distribution: Any) -> tf.Tensor:
        """See the base class."""
        return deterministic(distribution, self._deterministic_action)

    def __call__(self, observation: tf.Tensor) -> BoxFlow:
        """See the base class."""
        return self._flow(observation, lambda network, inputs: network(inputs))

    def initialize(self, observation: tf.Tensor, action: tf.Tensor) -> None:
        """Data-dependent initialisation from a first batch, float32 [B, O] and [B, A]."""
        flow = self._flow(observation, lambda network, inputs: network.initialize(inputs))
        flow.pull(self._kind.from_action(action))

    def _flow(
        self,
        observation: tf.Tensor,
        call: Callable[[weight_norm.WeightNormMLP, tf.Tensor], tf.Tensor],
    ) -> BoxFlow:
        couplings = [
            conditioned(first, functools.partial(call, network), self._kind, observation)
            for first, network in self._conditioners
        ]
        batch_size = observation.shape[0] or tf.shape(observation)[0]
        return BoxFlow(couplings, self._kind, batch_size, self._action_size)
