"""What of a policy makes a NumPy policy: which settings, and which of its variables.

`quinoa.agents.policies.standalone` makes a policy of named arrays. An exported policy is such
arrays, and an actor acts with them: it then needs neither TensorFlow nor the agent's code. The
arrays of the layers follow from the vector in which a policy's parameters travel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.agents.parameter_vector import check_size

if TYPE_CHECKING:
    import tensorflow as tf

FloatArray = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]


class Normalization(NamedTuple):
    """γ (x − μ) / √(variance + ε) + β, dimension by dimension: a batch normalisation at inference.

    Attributes:
        mean: μ, float32 [I].
        variance: float32 [I].
        gain: γ, float32 [I].
        offset: β, float32 [I].
        epsilon: ε.
    """

    mean: tf.Variable
    variance: tf.Variable
    gain: tf.Variable
    offset: tf.Variable
    epsilon: float


class Layer(NamedTuple):
    """One layer of a network, y = x w + b, by its variables.

    Attributes:
        weights: w, float32 [I, O]; or v, where there are `lengths`. Those of a convolution, [size,
            size, channels, O], stand for [size · size · channels, O].
        biases: b, float32 [O].
        lengths: g, float32 [O], of a weight-normalised layer: w = g · (v / ‖v‖) (Salimans & Kingma,
            2016, "Weight Normalization", equation 2).
        normalization: of x, before all this. The layer's arrays have it within their weights and
            biases.
    """

    weights: tf.Variable
    biases: tf.Variable
    lengths: tf.Variable | None = None
    normalization: Normalization | None = None


class NumpyForm(NamedTuple):
    """A policy as `quinoa.agents.policies.standalone` reads it.

    Attributes:
        settings: arrays by name that learning does not change; `kind` is one of them.
        layers: the layers of its networks, by the names that the kind gives these.
        vectors: further variables by name, float32 [D] each.
        mode_settings: makes further settings, without which such a policy has no mode. It is called
            in the processes that need the mode, and so must be picklable.
    """

    settings: Mapping[str, npt.NDArray[Any]]
    layers: Mapping[str, Sequence[Layer]]
    vectors: Mapping[str, tf.Variable] = MappingProxyType({})
    mode_settings: Callable[[], Mapping[str, npt.NDArray[Any]]] = dict


class _Place(NamedTuple):
    """Where a layer is in the vector of parameters."""

    name: str
    shape: tuple[int, int]
    weights: int
    biases: int
    lengths: int | None
    normalization: _NormalizationPlace | None


class _NormalizationPlace(NamedTuple):
    """Where the variables of a layer's normalisation are, and its ε."""

    mean: int
    variance: int
    gain: int
    offset: int
    epsilon: float


class FormLayout:
    """Which numbers of a policy's vector of parameters are what in its NumPy form.

    It has no reference to the policy, and can be pickled.
    """

    def __init__(self, form: NumpyForm, policy: tf.Module):
        """Finds the layers' variables among those of the policy.

        Args:
            form: of the policy.
            policy: a `quinoa.agents.protocol.Policy`.

        Raises:
            ValueError: a layer has a variable that is none of the policy's.
        """
        starts: dict[Any, int] = {}
        self._size = 0
        for variable in policy.variables:
            starts[variable.ref()] = self._size
            self._size += int(np.prod(variable.shape))

        def start(variable: tf.Variable) -> int:
            if variable.ref() not in starts:
                raise ValueError(
                    f"{type(policy).__name__}.numpy_form has the variable {variable.name}, which "
                    "is not among the policy's: actors would not get its values."
                )
            return starts[variable.ref()]

        def normalization_place(of: Normalization | None) -> _NormalizationPlace | None:
            if of is None:
                return None
            return _NormalizationPlace(
                start(of.mean), start(of.variance), start(of.gain), start(of.offset), of.epsilon
            )

        self._settings = dict(form.settings)
        self._places = [
            _Place(
                f"{name}.{index}",
                (int(np.prod(layer.weights.shape[:-1])), int(layer.weights.shape[-1])),
                start(layer.weights),
                start(layer.biases),
                None if layer.lengths is None else start(layer.lengths),
                normalization_place(layer.normalization),
            )
            for name, layers in form.layers.items()
            for index, layer in enumerate(layers)
        ]
        self._vectors = {
            name: slice(start(variable), start(variable) + int(variable.shape[0]))
            for name, variable in form.vectors.items()
        }

    def make(self) -> Arrays:
        """New arrays: the settings, and layers and vectors that `write` is to fill."""
        arrays = dict(self._settings)
        for vector, numbers in self._vectors.items():
            arrays[vector] = np.zeros(numbers.stop - numbers.start, np.float32)
        for place in self._places:
            arrays[f"{place.name}.w"] = np.zeros(place.shape, np.float32)
            arrays[f"{place.name}.b"] = np.zeros(place.shape[1], np.float32)
        return arrays

    def write(self, parameters: FloatArray, arrays: Arrays) -> None:
        """Writes parameters into the arrays that `make` has made.

        Args:
            parameters: float32 [P], as `quinoa.agents.parameter_vector.flatten` gives them.
            arrays: whose layers and vectors change.

        Raises:
            ValueError: the vector has another size than the policy.
        """
        check_size(parameters, self._size)
        for vector, numbers in self._vectors.items():
            arrays[vector][...] = parameters[numbers]
        for name, (rows, columns), weights, biases, lengths, normalization in self._places:
            into = arrays[f"{name}.w"]
            into[...] = parameters[weights : weights + rows * columns].reshape(rows, columns)
            if lengths is not None:
                norms = np.sqrt(np.add.reduce(np.square(into), axis=0))
                into *= parameters[lengths : lengths + columns] / norms
            b = arrays[f"{name}.b"]
            b[...] = parameters[biases : biases + columns]
            if normalization is not None:
                scale, shift = _affine(parameters, rows, normalization)
                b += shift @ into
                into *= scale[:, None]


def _affine(
    parameters: FloatArray, size: int, place: _NormalizationPlace
) -> tuple[FloatArray, FloatArray]:
    """A normalisation of [..., size] as scale · x + shift, float32 [size] each."""
    mean, variance, gain, offset = (parameters[start : start + size] for start in place[:4])
    scale = gain / np.sqrt(variance + np.float32(place.epsilon))
    return scale, offset - mean * scale
