"""The flow policy: Real NVP on the action box (Quinoa paper, section 3; Dinh et al., 2017).

The base distribution is uniform on (-1, 1)^A. Seen through y = atanh(a) it is a logistic of scale
1/2, which affine couplings conditioned on the state reshape; tanh takes the result back into the
box. Couplings that are the identity at the start make the first policy exactly uniform.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from agents import networks
from agents.policies import numpy_form, squash
from agents.protocol import AgentConfig, Policy, require

# Base points among whose images `mode` looks for the densest; the first is the centre.
_MODE_CANDIDATES = 64


class Coupling(NamedTuple):
    """One affine coupling, conditioned on a batch of B states.

    Attributes:
      first: whether the first half of the dimensions is transformed (given the second), or the
        second (given the first).
      conditioner: maps the given half, float32 [n B, given] (n times the B states, one time after
        another), to the shift and the log-scale of the transformed half, float32
        [n B, transformed] each.
    """

    first: bool
    conditioner: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class BoxFlow(tfd.Distribution):
    """tanh ∘ couplings ∘ atanh of the uniform distribution on the box; event shape [A]."""

    def __init__(
        self,
        couplings: Sequence[Coupling],
        batch_size: tf.Tensor | int,
        action_size: int,
        name: str = "BoxFlow",
    ):
        """Makes the distribution.

        Args:
          couplings: in the order in which sampling applies them.
          batch_size: B.
          action_size: A.
          name: the distribution's name.
        """
        parameters = dict(locals())
        self._couplings = couplings
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
        """Returns the transformed and the given half."""
        first, second = values[:, : self._half], values[:, self._half :]
        return (first, second) if coupling.first else (second, first)

    def _join(self, transformed: tf.Tensor, given: tf.Tensor, coupling: Coupling) -> tf.Tensor:
        halves = [transformed, given] if coupling.first else [given, transformed]
        return tf.concat(halves, axis=-1)

    def push(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes base points through the couplings.

        Args:
          x: float32 [n B, A], base points before the tanh: n for each of the B states.

        Returns:
          y, float32 [n B, A], the actions before the tanh; log|det dy/dx|, float32 [n B].
        """
        log_det = tf.zeros([tf.shape(x)[0]])
        for coupling in self._couplings:
            transformed, given = self._split(x, coupling)
            shift, log_scale = coupling.conditioner(given)
            x = self._join(transformed * tf.exp(log_scale) + shift, given, coupling)
            log_det += tf.reduce_sum(log_scale, axis=-1)
        return x, log_det

    def pull(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The inverse of `push`: x, float32 [n B, A], and log|det dx/dy|, float32 [n B]."""
        log_det = tf.zeros([tf.shape(y)[0]])
        for coupling in reversed(self._couplings):
            transformed, given = self._split(y, coupling)
            shift, log_scale = coupling.conditioner(given)
            y = self._join((transformed - shift) * tf.exp(-log_scale), given, coupling)
            log_det -= tf.reduce_sum(log_scale, axis=-1)
        return y, log_det

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        shape = [n * self._batch_size, self._action_size]
        seed = tfp.random.sanitize_seed(seed)
        uniform = tf.random.stateless_uniform(shape, seed, minval=-1.0)
        action = squash.tanh(self.push(squash.atanh(uniform))[0])
        return tf.reshape(action, [n, self._batch_size, self._action_size])

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        y = squash.atanh(action)
        log_prob = self._log_prob_at(tf.reshape(y, [-1, self._action_size]))
        return tf.reshape(log_prob, tf.shape(action)[:-1])

    def _log_prob_at(self, y: tf.Tensor) -> tf.Tensor:
        x, log_det = self.pull(y)
        # The base's density is 1/2 a dimension in the box: both slopes of tanh cancel at the
        # identity, which leaves the first policy uniform to the last bit.
        slopes = tf.reduce_sum(squash.log_slope(x) - squash.log_slope(y), axis=-1)
        return slopes + log_det - self._action_size * math.log(2.0)

    def _mode(self) -> tf.Tensor:
        """The densest of the images of fixed base points, a low-discrepancy set in the box."""
        points = tf.constant(_mode_points(self._action_size))
        x = tf.repeat(squash.atanh(points), self._batch_size, axis=0)
        y, log_det = self.push(x)
        slopes = tf.reduce_sum(squash.log_slope(x) - squash.log_slope(y), axis=-1)
        densities = tf.reshape(slopes - log_det, [_MODE_CANDIDATES, self._batch_size])
        best = tf.argmax(densities, axis=0, output_type=tf.int32)
        images = tf.reshape(y, [_MODE_CANDIDATES, self._batch_size, self._action_size])
        return squash.tanh(tf.gather(tf.transpose(images, [1, 0, 2]), best, batch_dims=1))


def _mode_points(action_size: int) -> np.ndarray:
    """The base points in the box, float32 [64, A]."""
    # 28 MB, which processes that only sample need not hold.
    from scipy.stats import qmc

    points = 2.0 * qmc.Sobol(action_size, scramble=False).random(_MODE_CANDIDATES) - 1.0
    # The set begins in a corner of the box; what comes next is its centre.
    return np.clip(np.roll(points, -1, axis=0), -0.999, 0.999).astype(np.float32)


class RealNVPPolicy(Policy):
    """Couplings whose sub-networks all see the state (Quinoa paper, section 3)."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        num_couplings: int,
        hidden_sizes: Sequence[int],
        max_log_scale: float,
        max_shift: float,
        name: str = "policy",
    ):
        """Makes the policy, uniform on the box whatever the state, its variables created.

        Args:
          observation_size: O.
          action_size: A.
          num_couplings: how many couplings; they transform the halves of the action in turn.
          hidden_sizes: the hidden layers of each coupling's sub-network.
          max_log_scale: each coupling stretches by at most exp(±max_log_scale).
          max_shift: each coupling moves y = atanh(a) by at most ±max_shift.
          name: the module's name.
        """
        super().__init__(name=name)
        self._action_size = action_size
        self._max_log_scale = max_log_scale
        self._max_shift = max_shift
        half = action_size // 2
        self._conditioners: list[tuple[bool, networks.WeightNormMLP]] = []
        for index in range(num_couplings):
            first = index % 2 == 1
            transformed = half if first else action_size - half
            if transformed == 0:  # One action dimension: there is no first half.
                continue
            inputs = action_size - transformed + observation_size
            network = networks.WeightNormMLP(
                inputs,
                [*hidden_sizes, 2 * transformed],
                activation=tf.nn.elu,
                # Log-densities must be quiet: where the optimiser's own noise moves them by more
                # than the advantages do, a KL constraint holds back the noise alone. With 0.05
                # the noise was tens of times larger (BUILD_NOTES.md).
                stddev=1.0,
                name=f"coupling_{index}",
            )
            self._conditioners.append((first, network))

    def numpy_form(self) -> dict[str, np.ndarray]:
        """What `agents.policies.standalone` makes the same policy of."""
        form: dict[str, np.ndarray] = {
            "kind": np.array("real_nvp"),
            "action_size": np.array(self._action_size),
            "max_log_scale": np.array(self._max_log_scale, np.float32),
            "max_shift": np.array(self._max_shift, np.float32),
            "mode_points": _mode_points(self._action_size),
            "first": np.array([first for first, _ in self._conditioners], np.bool_),
        }
        for index, (_, network) in enumerate(self._conditioners):
            form.update(numpy_form.layers(f"coupling_{index}", network.layers()))
        return form

    def __call__(self, observation: tf.Tensor) -> BoxFlow:
        """See the base class."""
        return self._flow(observation, lambda network, inputs: network(inputs))

    def initialize(self, observation: tf.Tensor, action: tf.Tensor) -> None:
        """Data-dependent initialisation from a first batch, float32 [B, O] and [B, A]."""
        flow = self._flow(observation, lambda network, inputs: network.initialize(inputs))
        flow.pull(squash.atanh(action))

    def _flow(
        self,
        observation: tf.Tensor,
        call: Callable[[networks.WeightNormMLP, tf.Tensor], tf.Tensor],
    ) -> BoxFlow:
        def coupling(first: bool, network: networks.WeightNormMLP) -> Coupling:
            def conditioner(given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                # The given half is shown as the action it stands for, so that inputs are bounded.
                states = observation
                if given.shape[0] is None or given.shape[0] != observation.shape[0]:
                    copies = tf.shape(given)[0] // tf.shape(observation)[0]
                    states = tf.tile(observation, [copies, 1])
                inputs = tf.concat([tf.tanh(given), states], axis=-1)
                shift, log_scale = tf.split(call(network, inputs), 2, axis=-1)
                return (
                    self._max_shift * tf.tanh(shift / self._max_shift),
                    self._max_log_scale * tf.tanh(log_scale / self._max_log_scale),
                )

            return Coupling(first, conditioner)

        couplings = [coupling(first, network) for first, network in self._conditioners]
        batch_size = observation.shape[0] or tf.shape(observation)[0]
        return BoxFlow(couplings, batch_size, self._action_size)


@dataclasses.dataclass(frozen=True)
class FlowConfig(AgentConfig):
    """Settings of an agent whose policy is, or may be, a flow."""

    # How many couplings, and the hidden layers of each one's sub-network.
    num_couplings: int = 4
    coupling_hidden_sizes: tuple[int, ...] = (64, 64)
    # How far a coupling may stretch (in log) and move atanh(a).
    max_log_scale: float = 0.7
    max_shift: float = 2.0

    def __post_init__(self) -> None:
        """Checks every field; raises `ConfigError`."""
        super().__post_init__()
        require(self.num_couplings >= 1, "num_couplings", self.num_couplings, "at least 1")
        sizes = self.coupling_hidden_sizes
        wanted = "layer sizes of at least 1"
        require(all(size >= 1 for size in sizes), "coupling_hidden_sizes", sizes, wanted)
        require(self.max_log_scale > 0, "max_log_scale", self.max_log_scale, "> 0")
        require(self.max_shift > 0, "max_shift", self.max_shift, "> 0")


def make_flow_policy(config: FlowConfig, observation_size: int, action_size: int) -> RealNVPPolicy:
    """Makes the policy that a configuration describes; see `RealNVPPolicy`."""
    return RealNVPPolicy(
        observation_size,
        action_size,
        num_couplings=config.num_couplings,
        hidden_sizes=config.coupling_hidden_sizes,
        max_log_scale=config.max_log_scale,
        max_shift=config.max_shift,
    )
