"""Networks: multilayer perceptrons, plain, normalised or residual, and those that read images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import sonnet as snt
import tensorflow as tf

from quinoa.agents import activations
from quinoa.agents.activations import Activation, relu, relu_of_layer_norm
from quinoa.agents.config import Convolutions, LayerNorm
from quinoa.agents.convolutions import ConvolutionalNetwork, chosen_trunk
from quinoa.agents.numpy_form import Layer
from quinoa.agents.observations import Image, ObservationSet
from quinoa.agents.residual import ResidualNetwork
from quinoa.config.fields import require

Network: TypeAlias = snt.nets.MLP | ResidualNetwork
ObservationNetwork: TypeAlias = Network | ConvolutionalNetwork


def mlp(
    input_size: int,
    layer_sizes: Sequence[int],
    *,
    activation: str = "relu",
    layer_norm: LayerNorm = False,
    residual: bool = False,
    zero_output: bool = False,
    name: str,
) -> Network:
    """Makes a network [B, input_size] → [B, layer_sizes[-1]] with its variables created.

    Args:
        input_size: the length of the input vectors.
        layer_sizes: of the hidden layers and the output.
        activation: between the layers: `relu`, `elu`, `softplus` or `tanh`. All but the first have
            second derivatives.
        layer_norm: whether layer normalisation comes before each ReLU, or before the first of
            them: `relu_of_layer_norm`.
        residual: whether each hidden layer is a block of a `ResidualNetwork`, which has layer
            normalisation of its own.
        zero_output: start as 0 whatever the input is, by weights of 0 in the last layer. The hidden
            layers start as they do without.
        name: the module's name.

    Raises:
        ValueError: there is no such activation, or it is not the one of layer normalisation.
    """
    if activation not in activations.BY_NAME or (layer_norm and activation != "relu"):
        known = "relu, with layer_norm" if layer_norm else ", ".join(activations.BY_NAME)
        raise ValueError(f"activation must be {known}, not {activation!r}.")
    network: Network
    if residual:
        network = ResidualNetwork(input_size, layer_sizes, name=name)
    else:
        if layer_norm == "first":
            network = _FirstNormalized(layer_sizes, name=name)
        else:
            function = relu_of_layer_norm if layer_norm else activations.BY_NAME[activation]
            network = snt.nets.MLP(layer_sizes, activation=function, name=name)
        network(tf.zeros([1, input_size]))
    if zero_output:
        last = layers_of(network)[-1].weights
        last.assign(tf.zeros_like(last))
    return network


class _FirstNormalized(snt.nets.MLP):
    """A ReLU network with layer normalisation after its first layer alone."""

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        return with_features(self, inputs, layer_norm="first")[0]


def _activations(layer_norm: LayerNorm, number: int) -> list[Activation]:
    """What comes after each of so many hidden layers: ReLUs, normalised where they are to be."""
    normalized = [layer_norm is True or (layer_norm == "first" and i == 0) for i in range(number)]
    return [relu_of_layer_norm if each else relu for each in normalized]


def of_observations(
    observations: ObservationSet | int,
    layer_sizes: Sequence[int],
    *,
    layer_norm: LayerNorm = False,
    residual: bool = False,
    convolutions: Convolutions = "auto",
    zero_output: bool = False,
    name: str,
) -> ObservationNetwork:
    """Makes a ReLU network of observations, with its variables created.

    Args:
        observations: of the environment; a number O stands for vectors [O].
        layer_sizes: of the hidden layers and the output. Of images the last one alone counts: the
            layers before it are those of the convolutional network.
        layer_norm: see `mlp`; of images, all layers or none.
        residual: see `mlp`; not of images.
        convolutions: which layers there are where observations are images, see
            `ConvolutionalNetwork`.
        zero_output: start as 0 whatever the input is, by weights of 0 in the last layer.
        name: the module's name.

    Returns:
        A network [B, O] or [B, H, W, C] → [B, layer_sizes[-1]].

    Raises:
        ConfigError: images are too small for the convolutions, or there are to be residual blocks,
            or one normalised layer.
    """
    if isinstance(observations, Image):
        require(not residual, "network", "simba", "'mlp' where observations are images")
        require(
            layer_norm != "first",
            "layer_norm",
            layer_norm,
            "true or false where observations are images",
        )
        return ConvolutionalNetwork(
            observations,
            layer_sizes[-1],
            convolutions=convolutions,
            layer_norm=bool(layer_norm),
            zero_output=zero_output,
            name=name,
        )
    size = observations if isinstance(observations, int) else observations.size
    return mlp(
        size,
        layer_sizes,
        layer_norm=layer_norm,
        residual=residual,
        zero_output=zero_output,
        name=name,
    )


def with_dropout(
    network: snt.nets.MLP, inputs: tf.Tensor, *, layer_norm: LayerNorm, rate: float, seed: tf.Tensor
) -> tf.Tensor:
    """What a network of `mlp` gives with dropout after the activation of each hidden layer.

    Srivastava et al. (2014), "Dropout", section 4, with the outputs that are left divided by
    1 − rate, so that the network without dropout is the one with it in the mean. The network itself
    has none, as it is used to act.

    Args:
        network: made by `mlp`.
        inputs: float32 [B, input_size].
        layer_norm: what `mlp` was told.
        rate: the share of outputs that become 0, in [0, 1).
        seed: int32 [2], on which alone it depends which ones.

    Returns:
        float32 [B, layer_sizes[-1]].
    """
    *hidden, last = layers_of(network)
    functions = _activations(layer_norm, len(hidden))
    seeds = tf.random.experimental.stateless_split(seed, max(len(hidden), 1))
    for index, layer in enumerate(hidden):
        inputs = functions[index](tf.matmul(inputs, layer.weights) + layer.biases)
        inputs = tf.nn.experimental.stateless_dropout(inputs, rate, seeds[index])
    return tf.matmul(inputs, last.weights) + last.biases


def with_features(
    network: ObservationNetwork, inputs: tf.Tensor, *, layer_norm: LayerNorm
) -> tuple[tf.Tensor, tf.Tensor]:
    """A network's outputs, and its last hidden layer, in which they are linear.

    Args:
        network: made by `mlp`, or by `of_observations`.
        inputs: float32 [B, input_size], or images.
        layer_norm: what `mlp` was told.

    Returns:
        float32 [B, layer_sizes[-1]], and float32 [B, layer_sizes[-2]], or `inputs` where there is
        no hidden layer.
    """
    if isinstance(network, (ConvolutionalNetwork, ResidualNetwork)):
        return network.with_features(inputs)
    *hidden, last = _linears(network)
    # AutoGraph, which may convert this, knows no strict zip.
    for layer, activation in zip(hidden, _activations(layer_norm, len(hidden))):  # noqa: B905
        inputs = activation(layer(inputs))
    return last(inputs), inputs


def features_size(
    observations: ObservationSet, hidden_sizes: Sequence[int], convolutions: Convolutions
) -> int:
    """The size of the last hidden layer of what `of_observations` makes; O if it has none."""
    if isinstance(observations, Image):
        return chosen_trunk(observations, convolutions).hidden_size
    return hidden_sizes[-1] if hidden_sizes else observations.size


def layers_of(network: ObservationNetwork) -> list[Layer]:
    """The layers of a network by their variables, the first one first."""
    if isinstance(network, (ConvolutionalNetwork, ResidualNetwork)):
        return network.layers()
    return [Layer(layer.w, layer.b) for layer in _linears(network)]


def _linears(network: snt.nets.MLP) -> list[snt.Linear]:
    return [module for module in network.submodules if isinstance(module, snt.Linear)]


def settings_of(
    network: ObservationNetwork, *, layer_norm: LayerNorm
) -> dict[str, npt.NDArray[Any]]:
    """What the NumPy form of a network says of it besides its layers.

    Args:
        network: made by `mlp`, or by `of_observations`.
        layer_norm: what these were told.
    """
    return {
        "layer_norm": np.array(bool(layer_norm)),
        # Under a name that files without it do not have.
        **({"first_layer_norm": np.array(True)} if layer_norm == "first" else {}),
        **({} if isinstance(network, snt.nets.MLP) else network.settings()),
    }


class Value(snt.Module):
    """V(s): a ReLU network with one output, zero in every state at the start.

    A V that starts at random is far from 0 where rewards are small, and bootstraps from its own
    differences between states before it has seen any reward (docs/decisions/iq_value.md).
    """

    def __init__(
        self,
        observations: ObservationSet | int,
        hidden_sizes: Sequence[int],
        *,
        layer_norm: LayerNorm = False,
        residual: bool = False,
        convolutions: Convolutions = "auto",
        name: str = "value",
    ):
        """Makes the network; see `of_observations`."""
        super().__init__(name=name)
        self._network = of_observations(
            observations,
            [*hidden_sizes, 1],
            layer_norm=layer_norm,
            residual=residual,
            convolutions=convolutions,
            zero_output=True,
            name="network",
        )

    def __call__(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns V, float32 [B], for observations, [B, O] or [B, H, W, C]."""
        return tf.squeeze(self._network(observation), axis=-1)


class ActionValue(snt.Module):
    """Q(s, a): a network with one output, at random at the start.

    A critic of SAC, SVG(0), DDPG, Smoothie and soft Q-learning. Twins that both started at zero
    would be the same function.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden_sizes: Sequence[int],
        *,
        activation: str = "relu",
        layer_norm: LayerNorm = False,
        residual: bool = False,
        name: str = "action_value",
    ):
        """Makes the network for observations [B, observation_size] and actions [B, action_size].

        Of `activation`, `layer_norm` and `residual` see `mlp`.
        """
        super().__init__(name=name)
        self._network = mlp(
            observation_size + action_size,
            [*hidden_sizes, 1],
            activation=activation,
            layer_norm=layer_norm,
            residual=residual,
            name="network",
        )

    def __call__(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """Returns Q, float32 [B], for observations [B, O] and actions [B, A], float32."""
        inputs = tf.concat([observation, action], axis=-1)
        return tf.squeeze(self._network(inputs), axis=-1)
