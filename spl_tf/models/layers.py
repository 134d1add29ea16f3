"""Small layers over clips [B, T, H, W, C]: convolution, padding and maximum pooling for clips of any size."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from spl_tf.models import filter_gradient


@keras.saving.register_keras_serializable(package="spl_tf")
class ClipConv3D(keras.layers.Conv3D):
    """`keras.layers.Conv3D`, except that clips of 2 to kt - 1 frames get zeros around them first.

    With padding "same" the zeros make no difference to the values. They go
    around a defect of TensorFlow on CPUs (oneDNN, seen with 2.16 and 2.21): in
    bfloat16 the gradient of a kernel longer than the clip holds uninitialised
    memory. One frame is right, and so are longer clips. A temporal stride with
    padding "same" is not covered: give such a network at least kt frames.

    In training, a convolution without bias has the faster of two forms of its filter gradient; see `filter_gradient`.
    """

    def call(self, inputs, training=False):
        frames, kernel = inputs.shape[1], self.kernel_size[0]
        if training and not self.use_bias and filter_gradient.is_faster(inputs.shape, self.kernel.shape, self.strides):
            kernel = tf.convert_to_tensor(self.kernel)
            return filter_gradient.convolution(inputs, kernel, self.strides, self.padding)
        if self.padding != "same" or self.strides[0] != 1 or frames is None or not 1 < frames < kernel:
            return super().call(inputs)
        margin = kernel // 2
        # Not the operation "Pad": the graph optimizer merges it into the convolution and drops the padding of "same".
        zero = tf.zeros((), inputs.dtype)
        padded = tf.pad(inputs, [(0, 0), (margin, margin), (0, 0), (0, 0), (0, 0)], constant_values=zero)
        return super().call(padded)[:, margin:-margin]


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
        return _padded(inputs, [(0, 0), *((margin, margin) for margin in self.margins), (0, 0)], self.values)

    def compute_output_shape(self, input_shape):
        sizes = zip(input_shape[1:4], self.margins, strict=True)
        padded = (None if size is None else size + 2 * margin for size, margin in sizes)
        return (input_shape[0], *padded, input_shape[4])

    def get_config(self):
        return {**super().get_config(), "margins": self.margins, "values": self.values}


@keras.saving.register_keras_serializable(package="spl_tf")
class SamePadding(keras.layers.Layer):
    """Puts `values`, one per channel, where TensorFlow's "same" has zeros: at even sizes fewer before than after.

    `kernel` and `strides` are those of the layer that follows, which pads nothing.
    """

    def __init__(self, kernel: tuple[int, int, int], strides: tuple[int, int, int], values: Sequence[float], **kwargs):
        super().__init__(**kwargs)
        self.kernel, self.strides, self.values = tuple(kernel), tuple(strides), tuple(values)

    def call(self, inputs):
        sizes = tf.shape(inputs)[1:4]
        covered = (-(-sizes // self.strides) - 1) * self.strides + self.kernel
        missing = tf.maximum(covered - sizes, 0)
        margins = tf.stack([missing // 2, missing - missing // 2], axis=1)
        return _padded(inputs, tf.pad(margins, [(1, 1), (0, 0)]), self.values)

    def compute_output_shape(self, input_shape):
        padded = (
            None if size is None else max(size, (-(-size // stride) - 1) * stride + kernel)
            for size, kernel, stride in zip(input_shape[1:4], self.kernel, self.strides, strict=True)
        )
        return (input_shape[0], *padded, input_shape[4])

    def get_config(self):
        return {**super().get_config(), "kernel": self.kernel, "strides": self.strides, "values": self.values}


def _padded(inputs, paddings, values: Sequence[float] | None):
    zero = tf.zeros((), inputs.dtype)
    padded = tf.pad(inputs, paddings, constant_values=zero)
    if values is None:
        return padded
    inside = tf.ones_like(inputs[:1, ..., :1])
    outside = 1 - tf.pad(inside, paddings, constant_values=zero)
    return padded + outside * tf.constant(values, inputs.dtype)


@keras.saving.register_keras_serializable(package="spl_tf")
class InnerMaxPooling3D(keras.layers.MaxPooling3D):
    """`keras.layers.MaxPooling3D` without padding, but a clip shorter than a window is one window.

    [B, T, H, W, C] -> [B, T', H', W', C] with T' = max(1, (T - window) // stride + 1).
    What is left over at the end is dropped, as in Caffe2 and PyTorch.
    """

    def call(self, inputs):
        return super().call(self._at_least_one_window(inputs))

    def _at_least_one_window(self, inputs):
        if all(size is not None and size >= window for size, window in self._sizes(inputs.shape)):
            return inputs
        missing = tf.maximum(tf.constant(self.pool_size) - tf.shape(inputs)[1:4], 0)
        paddings = tf.pad(tf.stack([tf.zeros_like(missing), missing], axis=1), [(1, 1), (0, 0)])
        lengthened = tf.pad(inputs, paddings, constant_values=tf.constant(inputs.dtype.min, inputs.dtype))
        return tf.ensure_shape(lengthened, [inputs.shape[0], None, None, None, inputs.shape[4]])

    def _sizes(self, shape):
        return zip(shape[1:4], self.pool_size, strict=True)

    def compute_output_shape(self, input_shape):
        lengthened = (None if size is None else max(size, window) for size, window in self._sizes(input_shape))
        return super().compute_output_shape((input_shape[0], *lengthened, input_shape[4]))
