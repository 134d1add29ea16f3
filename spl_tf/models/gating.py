"""Feature gating: channels are re-weighted by what the whole clip shows."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="spl_tf")
class SelfGating(keras.layers.Layer):
    """Self-gating of S3D-G (Xie et al. 2018), "feature gating" of the SPL paper's table 7.

    outputs = sigmoid(mean over time and space(inputs) @ kernel + bias) * inputs

    [B, T, H, W, C] -> [B, T, H, W, C]. The gate is computed in float32. The
    kernel [C, C] starts as a truncated normal of deviation 0.01, so that a new
    gate is about one half everywhere.

    Args:
      use_bias: a bias [C], zero at first. TF Model Garden's layer has one, the
        S3D-G code of TF slim has none.
      kernel_regularizer: weight decay of the kernel.
    """

    def __init__(
        self,
        use_bias: bool = True,
        kernel_regularizer: str | dict | keras.Regularizer | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.use_bias = use_bias
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, channels),
            initializer=keras.initializers.TruncatedNormal(stddev=0.01),
            regularizer=self.kernel_regularizer,
            autocast=False,  # float32 whatever the compute dtype.
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(channels,), initializer="zeros", autocast=False)

    def call(self, inputs):
        context = tf.reduce_mean(tf.cast(inputs, tf.float32), axis=[1, 2, 3])
        logits = tf.matmul(context, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            logits = tf.nn.bias_add(logits, tf.convert_to_tensor(self.bias))
        gate = tf.cast(tf.sigmoid(logits), inputs.dtype)
        return inputs * gate[:, tf.newaxis, tf.newaxis, tf.newaxis, :]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
