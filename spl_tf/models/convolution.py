"""3D convolution whose gradient is right for clips shorter than its kernel."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="spl_tf")
class ClipConv3D(keras.layers.Conv3D):
    """`keras.layers.Conv3D`, except that clips of 2 to kt - 1 frames get zeros around them first.

    With padding "same" the zeros make no difference to the values. They go
    around a defect of TensorFlow on CPUs (oneDNN, seen with 2.16 and 2.21): in
    bfloat16 the gradient of a kernel longer than the clip holds uninitialised
    memory. One frame is right, and so are longer clips. A temporal stride with
    padding "same" is not covered: give such a network at least kt frames.
    """

    def call(self, inputs):
        frames, kernel = inputs.shape[1], self.kernel_size[0]
        if self.padding != "same" or self.strides[0] != 1 or frames is None or not 1 < frames < kernel:
            return super().call(inputs)
        margin = kernel // 2
        # Not the operation "Pad": the graph optimizer merges it into the convolution and drops the padding of "same".
        zero = tf.zeros((), inputs.dtype)
        padded = tf.pad(inputs, [(0, 0), (margin, margin), (0, 0), (0, 0), (0, 0)], constant_values=zero)
        return super().call(padded)[:, margin:-margin]
