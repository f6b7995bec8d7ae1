"""A policy that acts with TensorFlow: compiled for each shape of observations."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import graphs, numpy_policy
from quinoa.agents.exploration import ActionNoise
from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.observations import dtype_of
from quinoa.agents.parameter_vector import Joined, unflatten
from quinoa.agents.protocol import Policy

FloatArray = npt.NDArray[np.float32]
Actions = npt.NDArray[Any]  # Of [N, *shape], as `quinoa.agents.actions` says.


class CompiledPolicy:
    """An `ActingPolicy` (see `quinoa.agents.actor`) for any policy."""

    def __init__(self, policy: Policy):
        """Takes a policy whose variables are created; they may change between steps."""
        self._policy = policy

    def assign(self, parameters: FloatArray) -> None:
        """See `ActingPolicy`."""
        unflatten(self._policy, parameters)

    def samples(
        self, observation_shape: tuple[int, ...], *, seed: int, noise: ActionNoise = "white"
    ) -> Callable[[FloatArray, int], tuple[Actions, Mapping[str, FloatArray]]]:
        """See `ActingPolicy`; the seed and the number of the step settle white noise's actions."""
        policy = self._policy
        if noise != "white":
            return self._by_numpy(observation_shape, seed=seed, noise=noise)
        if not policy.adds_extras:
            # It adds nothing, and a call that returns one tensor alone is faster.
            alone = self.actions(observation_shape, seed=seed, sample=True)
            return lambda observation, step: (alone(observation, step), {})
        act = _compiled_for(policy, _Kind(observation_shape, sample=True, with_extras=True))
        base_seed = _base_seed(seed)

        def call(
            observation: FloatArray, step: int, policy: Policy = policy
        ) -> tuple[Actions, Mapping[str, FloatArray]]:
            # `policy` is kept so that its variables live as long as this function.
            del policy
            action, extras = act(tf.constant(observation), step_number(step), base_seed)
            return action.numpy(), {name: value.numpy() for name, value in extras.items()}

        return call

    def _by_numpy(
        self, observation_shape: tuple[int, ...], *, seed: int, noise: ActionNoise
    ) -> Callable[[FloatArray, int], tuple[Actions, Mapping[str, FloatArray]]]:
        """What draws with noise that the policy's graph does not take: the policy's NumPy form.

        Raises:
            ConfigError: see `numpy_policy.check_noise`.
        """
        policy = self._policy
        numpy_policy.check_noise(policy, noise)
        form = numpy_policy.own_form(policy)
        assert form is not None  # `check_noise` has raised otherwise.
        acting = numpy_policy.NumpyPolicy(FormLayout(form, policy))
        act = acting.samples(observation_shape, seed=seed, noise=noise)
        parameters = Joined(policy.variables)

        def call(observation: FloatArray, step: int) -> tuple[Actions, Mapping[str, FloatArray]]:
            # The policy may have changed since the last step.
            acting.assign(parameters())
            return act(observation, step)

        return call

    def actions(
        self, observation_shape: tuple[int, ...], *, seed: int, sample: bool
    ) -> Callable[[FloatArray, int], Actions]:
        """Compiles the policy for one shape of observations.

        Args:
            observation_shape: [N, O] or [N, H, W, C].
            seed: of the samples.
            sample: whether to act with samples, or with the mode.

        Returns:
            A function from observations of that shape and the number of the step, from which
            together with `seed` the sample follows, to actions, [N, *shape].
        """
        policy = self._policy
        sample = sample or not policy.has_mode
        act = _compiled_for(policy, _Kind(observation_shape, sample, with_extras=False))
        base_seed = _base_seed(seed)

        def call(observation: FloatArray, step: int, policy: Policy = policy) -> Actions:
            # As above.
            del policy
            action = act(tf.constant(observation), step_number(step), base_seed)
            on_host: Actions = action.numpy()
            return on_host

        return call


def _base_seed(seed: int) -> tf.Tensor:
    return tf.constant([seed % 2**31, 0xAC7], tf.int32)


def step_number(step: int) -> tf.Tensor:
    """The number of a step as an int32 [], for a function that is called at each."""
    # By an array: TensorFlow keeps every Python number that it makes a tensor of, for ever.
    return tf.constant(np.asarray(step, np.int32))


class _Kind(NamedTuple):
    """What a policy is compiled for."""

    observation_shape: tuple[int, ...]
    sample: bool
    with_extras: bool


# Compiling may take seconds (the mode of a flow does), so a policy that is evaluated again and
# again is compiled once. The keys are weak references, so a policy is freed as if it were not here.
# A function of observations, the step's number and the base seed; with extras, of two results.
_Compiled = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Any]
_compiled: weakref.WeakKeyDictionary[Policy, dict[_Kind, _Compiled]] = weakref.WeakKeyDictionary()


def _compiled_for(policy: Policy, kind: _Kind) -> _Compiled:
    by_kind = _compiled.setdefault(policy, {})
    if kind not in by_kind:
        by_kind[kind] = _compile(policy, kind)
    return by_kind[kind]


def _compile(policy: Policy, kind: _Kind) -> _Compiled:
    reference = weakref.ref(policy)

    def act(observation: tf.Tensor, step: tf.Tensor, base_seed: tf.Tensor) -> Any:
        traced = reference()
        assert traced is not None  # It is compiled within `_compile`, whose argument it is.
        distribution = traced(observation)
        if not kind.sample:
            return traced.deterministic_action(distribution)
        step_seed = tf.random.experimental.stateless_fold_in(base_seed, step)
        action = distribution.sample(seed=step_seed)
        if not kind.with_extras:
            return action
        return action, dict(traced.extras(distribution, action))

    function = graphs.trace(
        act,
        tf.TensorSpec(kind.observation_shape, dtype_of(kind.observation_shape)),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([2], tf.int32),
    )
    # The concrete function: no search for a matching trace at each step.
    concrete: _Compiled = function.get_concrete_function()
    return concrete
