"""A policy that acts with NumPy: it is made of a layout and parameters, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quinoa.agents.exploration import ActionNoise
from quinoa.agents.numpy_form import Arrays, FloatArray, FormLayout, NumpyForm
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.pink_noise import PinkNoise
from quinoa.agents.policies import standalone
from quinoa.config.fields import require

if TYPE_CHECKING:
    from quinoa.agents.protocol import Policy


class NumpyPolicy:
    """A policy of a NumPy form for actors and evaluations (`actor.ActingPolicy`, `evaluation`)."""

    def __init__(
        self, layout: FormLayout, *, mode_settings: Mapping[str, npt.NDArray[Any]] | None = None
    ):
        """Makes a policy whose parameters are 0 until `assign` has been called.

        Args:
            layout: of the policy's form.
            mode_settings: what `NumpyForm.mode_settings` makes; None where the policy has no mode,
                or is only to be sampled from.

        Raises:
            ValueError: `standalone` does not know the policy's kind.
        """
        self._layout = layout
        self._has_mode = mode_settings is not None
        self._arrays = {**layout.make(), **(mode_settings or {})}
        # It keeps these arrays, and so acts with what `assign` writes into them.
        self._policy = standalone.Policy.from_arrays(self._arrays)

    def assign(self, parameters: FloatArray) -> None:
        """See `ActingPolicy`."""
        self._layout.write(parameters, self._arrays)

    def samples(
        self, observation_shape: tuple[int, ...], *, seed: int, noise: ActionNoise = "white"
    ) -> Callable[[npt.NDArray[Any], int], tuple[npt.NDArray[Any], Mapping[str, FloatArray]]]:
        """See `ActingPolicy`; with one seed, calls in the same order give the same actions."""
        del observation_shape
        policy, no_extras = self._policy, dict[str, FloatArray]()
        pink = PinkNoise(seed) if noise == "pink" else None
        # Of a generator, `pink` has what policies draw with.
        rng: Any = np.random.default_rng(seed) if pink is None else pink

        def call(
            observation: npt.NDArray[Any], step: int
        ) -> tuple[npt.NDArray[Any], Mapping[str, FloatArray]]:
            del step
            if pink is not None:
                pink.begin_step()
            return policy.sample(observation, rng), no_extras

        return call

    def actions(
        self, observation_shape: tuple[int, ...], *, seed: int, sample: bool
    ) -> Callable[[npt.NDArray[Any], int], npt.NDArray[Any]]:
        """See `quinoa.agents.evaluation.EvaluatedPolicy`."""
        if sample or not self._has_mode:
            draw = self.samples(observation_shape, seed=seed)
            return lambda observation, step: draw(observation, step)[0]
        policy = self._policy

        def call(observation: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
            del step
            mode: npt.NDArray[Any] = policy.mode(observation)
            return mode

        return call


def own_form(policy: Policy) -> NumpyForm | None:
    """The NumPy form that the class of a policy declares itself; None where it declares none.

    One that its class inherits does not count: a derived class may compute something else.
    """
    return policy.numpy_form() if "numpy_form" in vars(type(policy)) else None


def check_noise(policy: Policy, noise: ActionNoise) -> None:
    """Raises `ConfigError` where actors cannot draw a policy's actions with a noise.

    Graphs of TensorFlow draw white noise alone, and extras are of what a graph has drawn.
    """
    form = own_form(policy)
    why_not = None
    if form is None:
        why_not = "the policy has no numpy_form of its own"
    elif policy.adds_extras:
        why_not = "the policy adds extras to transitions"
    elif str(form.settings["kind"]) == "deterministic":
        why_not = "the policy draws nothing"
    possible = noise == "white" or why_not is None
    require(possible, "action_noise", noise, f"'white', as {why_not}")


def arrays_of(policy: Policy) -> Arrays | None:
    """All arrays of a policy's own NumPy form, with its present parameters; None without a form."""
    form = own_form(policy)
    if form is None:
        return None
    layout = FormLayout(form, policy)
    arrays = layout.make()
    layout.write(flatten(policy), arrays)
    return {**arrays, **form.mode_settings()}
