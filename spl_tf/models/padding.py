"""Zeros, or a colour, around a clip: the same number before and after."""

from collections.abc import Sequence

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="spl_tf")
class SymmetricPadding(keras.layers.Layer):
    """Puts zeros around [B, T, H, W, C]; `margins` are time, height, width, at both ends each.

    With `values`, one per channel, these stand around the clip instead of zeros.

    `keras.layers.ZeroPadding3D` does the same with TensorFlow's operation "Pad",
    which the graph optimizer for CPUs tries to merge into the convolution that
    follows. In a graph with gradients it fails (TF 2.21: "remapper failed:
    Mutation::Apply error") and gives up all its other fusions. "PadV2" is left alone.
    """

    def __init__(self, margins: tuple[int, int, int], values: Sequence[float] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.margins = tuple(margins)
        self.values = None if values is None else tuple(values)

    def call(self, inputs):
        paddings = [(0, 0), *((margin, margin) for margin in self.margins), (0, 0)]
        zero = tf.zeros((), inputs.dtype)
        padded = tf.pad(inputs, paddings, constant_values=zero)
        if self.values is None:
            return padded
        inside = tf.ones_like(inputs[:1, ..., :1])
        outside = 1 - tf.pad(inside, paddings, constant_values=zero)
        return padded + outside * tf.constant(self.values, inputs.dtype)

    def compute_output_shape(self, input_shape):
        sizes = zip(input_shape[1:4], self.margins, strict=True)
        padded = (None if size is None else size + 2 * margin for size, margin in sizes)
        return (input_shape[0], *padded, input_shape[4])

    def get_config(self):
        return {**super().get_config(), "margins": self.margins, "values": self.values}
