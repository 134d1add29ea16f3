"""Re-estimated statistics against moments taken with numpy."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.hardware.distribution import device_strategy
from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.training.precise_bn import estimate_statistics


class PreciseBatchNormTest(parameterized.TestCase, tf.test.TestCase):
    def _network(self):
        inputs = keras.Input((None, None, None, 3))
        x = FusedBatchNorm(momentum=0.9, name="first")(inputs)
        x = keras.layers.Conv3D(4, 1, name="conv")(x)
        return keras.Model(inputs, FusedBatchNorm(momentum=0.99, name="second")(x))

    def _batches(self, count):
        generator = np.random.default_rng(0)
        return [generator.normal(b, 1 + b, (4, 2, 3, 3, 3)).astype(np.float32) for b in range(count)]

    def test_statistics_are_the_means_over_the_batches(self):
        network = self._network()
        kernel, bias = network.get_layer("conv").get_weights()
        batches = self._batches(3)
        strategy = device_strategy("one_device")
        estimate_statistics(network, strategy, lambda batch: batch, iter(map(tf.constant, batches)), 3)

        axes = (0, 1, 2, 3)
        first = network.get_layer("first")
        self.assertAllClose(first.moving_mean, np.mean([b.mean(axis=axes) for b in batches], axis=0), atol=1e-5)
        self.assertAllClose(first.moving_variance, np.mean([b.var(axis=axes) for b in batches], axis=0), rtol=1e-4)
        # The second layer sees what the first made of each batch with that batch's own moments.
        shown = [(b - b.mean(axis=axes)) / np.sqrt(b.var(axis=axes) + 1e-5) @ kernel[0, 0, 0] + bias for b in batches]
        second = network.get_layer("second")
        self.assertAllClose(second.moving_mean, np.mean([x.mean(axis=axes) for x in shown], axis=0), atol=1e-5)
        self.assertAllClose(second.moving_variance, np.mean([x.var(axis=axes) for x in shown], axis=0), rtol=1e-4)
        self.assertAllClose(network.get_layer("conv").get_weights()[0], kernel)

    def test_statistics_of_two_replicas_are_averaged(self):
        batches = self._batches(2)
        strategy = device_strategy("mirrored")
        with strategy.scope():
            network = self._network()

        def dealt(batch):
            parts = tf.split(tf.constant(batch), 2)
            return strategy.experimental_distribute_values_from_function(
                lambda context: parts[context.replica_id_in_sync_group]
            )

        estimate_statistics(network, strategy, lambda batch: batch, map(dealt, batches), 2)
        halves = [half for batch in batches for half in np.split(batch, 2)]
        variances = [half.var(axis=(0, 1, 2, 3)) for half in halves]
        self.assertAllClose(network.get_layer("first").moving_variance, np.mean(variances, axis=0), rtol=1e-4)


if __name__ == "__main__":
    tf.test.main()
