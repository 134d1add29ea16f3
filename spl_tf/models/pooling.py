"""Maximum over windows that lie inside the clip, for clips of any size."""

import keras
import tensorflow as tf


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
