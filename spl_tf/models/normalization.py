"""Batch normalization of clips with the fused kernel, whose statistics agree with Keras' own layer."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="spl_tf")
class FusedBatchNorm(keras.layers.Layer):
    """Batch normalization over batch, time and space of [B, T, H, W, C].

    Keras' layer has no fused kernel for five dimensions. Folding time into the
    batch, [B * T, H, W, C], gives the same sums and the fused kernel of images.
    Weights, moving averages and the meaning of `trainable = False` (moving
    statistics are used and kept) are those of `keras.layers.BatchNormalization`.

    Parameters and statistics are float32 under mixed precision. Each replica
    normalizes with the statistics of its own clips, as in the papers; the
    moving statistics are averaged over the replicas at each update, so that
    they stay equal and the saved model does not depend on one replica.

    Args:
      momentum: share of the old moving statistics kept at an update.
      epsilon: added to the variance.
      gamma_initializer: "zeros" for the last normalization of a residual branch.
      synchronized: statistics over the clips of all replicas. Unfused and
        slower; for batches of a few clips per replica.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        gamma_initializer: str | dict | keras.Initializer = "ones",
        synchronized: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.synchronized = synchronized

    def build(self, input_shape):
        def parameter(name, initializer, **kwargs):
            return self.add_weight(
                name=name,
                shape=(input_shape[-1],),
                initializer=initializer,
                autocast=False,  # float32 whatever the compute dtype.
                **kwargs,
            )

        self.gamma = parameter("gamma", self.gamma_initializer)
        self.beta = parameter("beta", "zeros")
        self.moving_mean = parameter("moving_mean", "zeros", trainable=False, aggregation="mean")
        self.moving_variance = parameter("moving_variance", "ones", trainable=False, aggregation="mean")

    def call(self, inputs, training=False):
        if not (training and self.trainable):
            return self._fused(inputs, self.moving_mean, self.moving_variance, is_training=False)[0]
        if self.synchronized:
            outputs, mean, variance = self._synchronized(inputs)
        else:
            outputs, mean, variance = self._fused(inputs, (), (), is_training=True)
            # The kernel returns the unbiased variance, Keras averages the biased one.
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
            variance *= (count - 1.0) / count
        self._update(self.moving_mean, mean)
        self._update(self.moving_variance, variance)
        return outputs

    def _fused(self, inputs, mean, variance, is_training):
        """Normalizes with the fused kernel; returns outputs and float32 mean and unbiased variance [C]."""
        shape = tf.shape(inputs)
        folded = tf.reshape(inputs, tf.concat([[-1], shape[2:]], axis=0))
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=folded,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.convert_to_tensor(mean, tf.float32),
            variance=tf.convert_to_tensor(variance, tf.float32),
            epsilon=self.epsilon,
            is_training=is_training,
        )
        return tf.ensure_shape(tf.reshape(outputs, shape), inputs.shape), mean, variance

    def _synchronized(self, inputs):
        """Normalizes with statistics over all replicas; returns outputs and float32 mean and variance [C]."""
        values, axes = tf.cast(inputs, tf.float32), (0, 1, 2, 3)
        # Over replicas Keras takes E[x^2] - E[x]^2, which loses all digits where the mean is far larger than the
        # deviation. Values shifted near zero lose none (Chan, Golub and LeVeque 1983, section 3); the shift has no
        # gradient, as it changes neither the variance nor the outputs.
        shift = tf.stop_gradient(tf.reduce_mean(values, axes))
        if (context := tf.distribute.get_replica_context()) is not None:
            shift = context.all_reduce(tf.distribute.ReduceOp.MEAN, shift)
        values -= shift
        mean, variance = keras.ops.moments(values, axes=axes, synchronized=True)
        outputs = tf.nn.batch_normalization(
            values,
            mean,
            variance,
            offset=tf.convert_to_tensor(self.beta),
            scale=tf.convert_to_tensor(self.gamma),
            variance_epsilon=self.epsilon,
        )
        return tf.cast(outputs, inputs.dtype), mean + shift, variance

    def _update(self, moving, value):
        moving.assign(moving * self.momentum + value * (1.0 - self.momentum))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "synchronized": self.synchronized,
        }
