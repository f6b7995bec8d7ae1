"""Weight normalisation: layers and networks whose weights' directions and lengths are apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from quinoa.agents import moments
from quinoa.agents.activations import Activation, relu
from quinoa.agents.numpy_form import Layer


class WeightNormLinear(snt.Module):
    """y = g · (v / ‖v‖) x + b, the direction v of each weight vector apart from its length g.

    Salimans & Kingma (2016), "Weight Normalization", equation 2, with the data-dependent
    initialisation of their section 3.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        stddev: float = 0.05,
        zero: bool = False,
        name: str | None = None,
    ):
        """Makes the layer [B, input_size] → [B, output_size].

        Args:
            input_size: the length of the input vectors.
            output_size: the length of the output vectors.
            stddev: of the components of v at the start, 0.05 in Salimans & Kingma. y depends on the
                direction of v alone, so this changes no function; but Adam moves each component by
                about its learning rate a step, and so turns directions faster, and more noisily,
                the smaller they are.
            zero: start as y = 0 whatever x is, and stay so under `initialize`.
            name: the module's name.
        """
        super().__init__(name=name)
        self._zero = zero
        shape = [input_size, output_size]
        self.v = tf.Variable(tf.random.normal(shape, stddev=stddev), name="v")
        self.g = tf.Variable(tf.fill([output_size], 0.0 if zero else 1.0), name="g")
        self.b = tf.Variable(tf.zeros([output_size]), name="b")

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns y, float32 [B, output_size], for x, float32 [B, input_size]."""
        scale = self.g * tf.math.rsqrt(tf.reduce_sum(tf.square(self.v), axis=0))
        return tf.matmul(inputs, self.v * scale) + self.b

    def initialize(self, inputs: tf.Tensor) -> tf.Tensor:
        """Sets g and b so that y has mean 0 and variance 1 over this batch; returns y."""
        if not self._zero:
            self.g.assign(tf.ones_like(self.g))
            self.b.assign(tf.zeros_like(self.b))
            outputs = self(inputs)
            # About one of them, so that sums do not round off how large ones differ.
            mean, variance = tf.nn.moments(outputs - outputs[0], axes=[0])
            mean += outputs[0]
            # A unit that does not vary over the batch keeps its length.
            deviation = moments.deviation(mean, variance)
            self.g.assign(1.0 / deviation)
            self.b.assign(-mean / deviation)
        return self(inputs)


class WeightNormMLP(snt.Module):
    """A network of weight-normalised layers whose output starts at zero."""

    def __init__(
        self,
        input_size: int,
        layer_sizes: Sequence[int],
        *,
        activation: Activation = relu,
        stddev: float = 0.05,
        normalize_output: bool = True,
        name: str | None = None,
    ):
        """Makes the network [B, input_size] → [B, layer_sizes[-1]].

        Args:
            input_size: the length of the input vectors.
            layer_sizes: of the hidden layers and the output.
            activation: between the layers.
            stddev: see `WeightNormLinear`.
            normalize_output: whether the last layer is a `WeightNormLinear` too, or a plain linear
                one. An output of the former is scaled by one number, its g, which starts at zero
                and grows by at most the learning rate a step: slow and quiet. An output that must
                become large needs the latter.
            name: the module's name.
        """
        super().__init__(name=name)
        sizes = [input_size, *layer_sizes[:-1]]
        self._activation = activation
        self._hidden = [
            WeightNormLinear(inputs, outputs, stddev=stddev)
            for inputs, outputs in itertools.pairwise(sizes)
        ]
        self._output: WeightNormLinear | snt.Linear
        if normalize_output:
            self._output = WeightNormLinear(sizes[-1], layer_sizes[-1], stddev=stddev, zero=True)
        else:
            self._output = snt.Linear(layer_sizes[-1], w_init=tf.zeros_initializer())
            self._output(tf.zeros([1, sizes[-1]]))

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, layer_sizes[-1]] for float32 [B, input_size]."""
        for layer in self._hidden:
            inputs = self._activation(layer(inputs))
        return self._output(inputs)

    def layers(self) -> list[Layer]:
        """The layers by their variables, the first one first."""
        hidden = [Layer(layer.v, layer.b, layer.g) for layer in self._hidden]
        last = self._output
        if isinstance(last, WeightNormLinear):
            return [*hidden, Layer(last.v, last.b, last.g)]
        return [*hidden, Layer(last.w, last.b)]

    def initialize(self, inputs: tf.Tensor) -> tf.Tensor:
        """Initialises each hidden layer on what the layers before it make of this batch.

        Returns:
            The network's output, which is zero.
        """
        for layer in self._hidden:
            inputs = self._activation(layer.initialize(inputs))
        return self._output(inputs)
