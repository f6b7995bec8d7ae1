"""Convolutional networks for images: those of the DQNs of MinAtar and of Atari."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sonnet as snt
import tensorflow as tf

from quinoa.agents.activations import relu, relu_of_layer_norm
from quinoa.agents.config import Convolutions
from quinoa.agents.numpy_form import Layer
from quinoa.agents.observations import Image
from quinoa.config.fields import require


class Convolution(NamedTuple):
    """One convolutional layer, without padding.

    Attributes:
        filters: how many.
        size: the side of each, in pixels.
        stride: in pixels.
    """

    filters: int
    size: int
    stride: int


class Trunk(NamedTuple):
    """The layers between an image and the output.

    Attributes:
        convolutions: the convolutional ones, the first one first.
        hidden_size: of the fully connected layer after them.
        is_standardized: whether each image's pixels first get a mean of 0 and a deviation of 1, and
            weights start orthogonal, with the gain √2 that keeps the deviation through ReLUs.
    """

    convolutions: tuple[Convolution, ...]
    hidden_size: int
    is_standardized: bool = False

    @property
    def least_side(self) -> int:
        """The least height and width of an image that has one pixel or more in each layer."""
        side = 1
        for _, size, stride in reversed(self.convolutions):
            side = (side - 1) * stride + size
        return side


_A3C = (Convolution(16, 8, 4), Convolution(32, 4, 2))
TRUNKS: Mapping[str, Trunk] = {
    # Young & Tian (2019), "MinAtar", section 4.
    "minatar": Trunk((Convolution(16, 3, 1),), 128),
    # Mnih et al. (2016), "Asynchronous methods for deep reinforcement learning", section 8.
    "a3c": Trunk(_A3C, 256),
    "a3c_standardized": Trunk(_A3C, 256, is_standardized=True),
    # Mnih et al. (2015), "Human-level control through deep reinforcement learning", Methods.
    "nature": Trunk((Convolution(32, 8, 4), Convolution(64, 4, 2), Convolution(64, 3, 1)), 512),
}


def chosen_trunk(image: Image, convolutions: Convolutions) -> Trunk:
    """The trunk of a name; of `auto`, `nature` where images are large enough, else `minatar`.

    Raises:
        ConfigError: the images are too small for it.
    """
    side = min(image.height, image.width)
    if convolutions == "auto":
        convolutions = "nature" if side >= TRUNKS["nature"].least_side else "minatar"
    trunk = TRUNKS[convolutions]
    require(
        side >= trunk.least_side,
        "convolutions",
        convolutions,
        f"one for images of {image.height} × {image.width}, and it takes {trunk.least_side} × "
        f"{trunk.least_side} or more",
    )
    return trunk


class ConvolutionalNetwork(snt.Module):
    """A ReLU network of images: convolutions, one hidden layer, and a linear output.

    Pixels stay uint8 up to here: within the network they are divided by their greatest value or,
    where the trunk says so, standardised.
    """

    def __init__(
        self,
        image: Image,
        output_size: int,
        *,
        convolutions: Convolutions = "auto",
        layer_norm: bool = False,
        zero_output: bool = False,
        name: str = "network",
    ):
        """Makes the network, and creates its variables.

        Args:
            image: what observations are.
            output_size: the numbers that it gives.
            convolutions: which trunk; see `chosen_trunk`.
            layer_norm: whether layer normalisation comes before each ReLU, over the features of
                each pixel in a convolutional layer: `relu_of_layer_norm`.
            zero_output: start as 0 whatever the image is.
            name: the module's name.

        Raises:
            ConfigError: the images are too small for the trunk.
        """
        super().__init__(name=name)
        trunk = chosen_trunk(image, convolutions)
        self._image = image
        self._is_standardized = trunk.is_standardized
        start = snt.initializers.Orthogonal(math.sqrt(2.0)) if trunk.is_standardized else None
        self._strides = [convolution.stride for convolution in trunk.convolutions]
        self._activation = relu_of_layer_norm if layer_norm else relu
        self._convolutions = [
            snt.Conv2D(
                filters, size, stride, padding="VALID", w_init=start, name=f"convolution_{index}"
            )
            for index, (filters, size, stride) in enumerate(trunk.convolutions)
        ]
        self._hidden = snt.Linear(trunk.hidden_size, w_init=start, name="hidden")
        of_output = tf.zeros_initializer() if zero_output else None
        self._output = snt.Linear(output_size, w_init=of_output, name="output")
        self(tf.zeros([1, *image.shape], tf.uint8))

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, output_size] for images, uint8 [B, H, W, C]."""
        return self.with_features(images)[0]

    def with_features(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What a call returns, and the hidden layer, float32 [B, hidden_size]."""
        values = tf.cast(images, tf.float32)
        if self._is_standardized:
            values = tf.image.per_image_standardization(values)
        elif self._image.maximum != 1:
            values *= 1.0 / self._image.maximum
        for convolution in self._convolutions:
            values = self._activation(convolution(values))
        hidden = self._activation(self._hidden(snt.flatten(values)))
        return self._output(hidden), hidden

    def layers(self) -> list[Layer]:
        """The layers by their variables, the first one first."""
        return [
            Layer(layer.w, layer.b)
            for layer in itertools.chain(self._convolutions, (self._hidden, self._output))
        ]

    def settings(self) -> dict[str, npt.NDArray[np.int64]]:
        """What `quinoa.agents.policies.standalone` needs besides: the image, and the strides."""
        return {
            "image": np.array([*self._image.shape, self._image.maximum]),
            "strides": np.array(self._strides),
            # Under a name that files without it do not have.
            **({"standardized": np.array(1)} if self._is_standardized else {}),
        }
