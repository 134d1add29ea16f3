import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.normalization import FusedBatchNorm


def _two_replicas() -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())


def _clips(*shape: int, seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(1.0, 2.0, shape), tf.float32)


def _training_step(layer, clips, weights):
    """Outputs, gradients of clips, gamma and beta of a weighted sum of outputs."""
    with tf.GradientTape() as tape:
        tape.watch(clips)
        outputs = layer(clips, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
    return outputs, tape.gradient(loss, [clips, *(variable.value for variable in layer.trainable_weights)])


def _exact(clips, weights, gamma, beta):
    """Outputs and the gradients of `_training_step`, mean and variance, by the formulas in float64."""
    x, weights, axes = np.asarray(clips, np.float64), np.asarray(weights, np.float64), (0, 1, 2, 3)
    mean, variance = x.mean(axes), x.var(axes)
    deviation = np.sqrt(variance + 1e-5)
    normalized, inner = (x - mean) / deviation, weights * gamma
    of_x = (inner - inner.mean(axes) - normalized * (inner * normalized).mean(axes)) / deviation
    return (
        normalized * gamma + beta,
        [of_x, (weights * normalized).sum(axes), weights.sum(axes)],
        mean,
        variance,
    )


class FusedBatchNormTest(parameterized.TestCase, tf.test.TestCase):
    def _pair(self, shape, **kwargs):
        """Ours and Keras' layer with equal, uneven parameters."""
        layers = FusedBatchNorm(0.9, 1e-5, **kwargs), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        random = np.random.default_rng(1)
        values = [random.uniform(0.5, 1.5, shape[-1]) for _ in range(4)]
        for layer in layers:
            layer.build(shape)
            layer.set_weights(values)
        return layers

    @parameterized.product(
        shape=((2, 3, 4, 5, 6), (3, 2, 1, 1, 8), (2, 1, 1, 1, 4), (1, 1, 3, 3, 2)), synchronized=(False, True)
    )
    def test_values_gradients_and_moving_statistics_are_those_of_keras(self, shape, synchronized):
        ours, keras_layer = self._pair(shape, synchronized=synchronized)
        weights = _clips(*shape, seed=2)
        for step in range(3):
            clips = _clips(*shape, seed=step)
            outputs, gradients = _training_step(ours, clips, weights)
            expected_outputs, expected_gradients = _training_step(keras_layer, clips, weights)
            self.assertAllClose(outputs, expected_outputs, 1e-4, 1e-4)
            self.assertAllClose(gradients, expected_gradients, 1e-3, 1e-3)
        self.assertAllClose(ours.get_weights(), keras_layer.get_weights(), 1e-5, 1e-5)
        self.assertAllClose(ours(clips), keras_layer(clips), 1e-5, 1e-5)

    def test_moving_statistics_of_one_step_are_numpys(self):
        clips = _clips(2, 3, 4, 4, 5)
        layer = FusedBatchNorm(momentum=0.75)
        layer(clips, training=True)
        self.assertAllClose(layer.moving_mean, 0.25 * clips.numpy().mean((0, 1, 2, 3)), 1e-5)
        self.assertAllClose(layer.moving_variance, 0.75 + 0.25 * clips.numpy().var((0, 1, 2, 3)), 1e-5)

    def test_frozen_layer_uses_and_keeps_its_moving_statistics(self):
        clips = _clips(2, 3, 4, 5, 6)
        ours, keras_layer = self._pair(clips.shape)
        before = ours.get_weights()
        ours.trainable = keras_layer.trainable = False
        self.assertAllClose(ours(clips, training=True), keras_layer(clips, training=True), 1e-5, 1e-5)
        self.assertAllEqual(ours.get_weights(), before)

    def test_mixed_precision_keeps_parameters_and_statistics_in_float32(self):
        clips = _clips(2, 3, 4, 5, 6)
        layer = FusedBatchNorm(dtype="mixed_bfloat16")
        exact = FusedBatchNorm()
        outputs, gradients = _training_step(layer, clips, tf.ones_like(clips))
        expected, _ = _training_step(exact, clips, tf.ones_like(clips))
        self.assertEqual(outputs.dtype, layer.compute_dtype)
        self.assertEqual({variable.dtype for variable in layer.weights}, {"float32"})
        self.assertEqual({gradient.dtype for gradient in gradients}, {tf.float32})
        self.assertAllClose(tf.cast(outputs, tf.float32), expected, atol=0.03)
        self.assertAllClose(layer.get_weights(), exact.get_weights(), atol=0.01)

    def test_any_number_of_clips_frames_and_pixels_in_one_graph(self):
        layer = FusedBatchNorm()
        layer.build((None, None, None, None, 3))

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, None, 3])])
        def train(clips):
            return layer(clips, training=True)

        for shape in ((1, 4, 5, 6, 3), (3, 1, 2, 2, 3)):
            self.assertAllClose(tf.math.reduce_std(train(_clips(*shape)), [0, 1, 2, 3]), np.ones(3), atol=1e-3)

    def _step_on_two_replicas(self, clips, weights):
        """The layer of `_pair`, trained on a half of the clips each: it, its outputs and its gradients."""
        strategy = _two_replicas()
        with strategy.scope():
            split, _ = self._pair(clips.shape, synchronized=True)

        @tf.function
        def step():
            def of_replica():
                half = tf.distribute.get_replica_context().replica_id_in_sync_group * 2
                return _training_step(split, clips[half : half + 2], weights[half : half + 2])

            return strategy.run(of_replica)

        outputs, (clip_gradients, *parameter_gradients) = step()
        outputs, clip_gradients = (
            tf.concat(strategy.experimental_local_results(values), 0) for values in (outputs, clip_gradients)
        )
        summed = [strategy.reduce("SUM", gradient, axis=None) for gradient in parameter_gradients]
        return split, outputs, [clip_gradients, *summed]

    def test_synchronized_replicas_equal_one_device_on_the_whole_batch(self):
        clips, weights = _clips(4, 3, 4, 4, 5), _clips(4, 3, 4, 4, 5, seed=3)
        whole, _ = self._pair(clips.shape, synchronized=True)
        expected_outputs, expected_gradients = _training_step(whole, clips, weights)
        split, outputs, gradients = self._step_on_two_replicas(clips, weights)
        self.assertAllClose(outputs, expected_outputs, 1e-5, 1e-5)
        self.assertAllClose(gradients, expected_gradients, 1e-4, 1e-4)
        self.assertAllClose(split.get_weights(), whole.get_weights(), 1e-5, 1e-5)

    @parameterized.product(
        ratio=(0.0, 1e2, 1e3, 1e4), synchronized=("two replicas", "one device", "not"), apart=(False, True)
    )
    def test_a_mean_far_above_the_deviation_costs_no_precision(self, ratio, synchronized, apart):
        """Where `apart`, the clips of the second replica lie ten deviations above those of the first."""
        clips = tf.constant(np.random.default_rng(0).normal(3 * ratio, 3.0, (4, 3, 4, 4, 5)), tf.float32)
        if apart:
            clips += tf.reshape([0.0, 0.0, 30.0, 30.0], [4, 1, 1, 1, 1])
        weights = _clips(*clips.shape, seed=3)
        if synchronized == "two replicas":
            layer, outputs, gradients = self._step_on_two_replicas(clips, weights)
        else:
            layer, _ = self._pair(clips.shape, synchronized=synchronized == "one device")
            outputs, gradients = _training_step(layer, clips, weights)
        fresh, _ = self._pair(clips.shape)
        before = [values.astype(np.float64) for values in fresh.get_weights()]
        expected, expected_gradients, mean, variance = _exact(clips, weights, *before[:2])
        # The kernel that is not synchronized subtracts a mean that is rounded to float32, about 1e-7 of it.
        tolerance = 1e-5 if synchronized != "not" else max(1e-5, 4e-6 * ratio)
        self.assertAllClose(outputs, expected, rtol=tolerance, atol=tolerance)
        for gradient, exact in zip(gradients, expected_gradients, strict=True):
            self.assertAllClose(gradient, exact, rtol=tolerance, atol=tolerance * np.abs(exact).max())
        self.assertAllClose(layer.moving_mean, 0.9 * before[2] + 0.1 * mean, rtol=1e-6)
        self.assertAllClose(layer.moving_variance, 0.9 * before[3] + 0.1 * variance, rtol=1e-5)

    def test_replicas_average_their_moving_statistics(self):
        clips = _clips(4, 3, 4, 4, 5)
        strategy = _two_replicas()
        with strategy.scope():
            layer = FusedBatchNorm(momentum=0.0)
            layer.build(clips.shape)

        @tf.function
        def step():
            def of_replica():
                half = tf.distribute.get_replica_context().replica_id_in_sync_group * 2
                layer(clips[half : half + 2], training=True)

            strategy.run(of_replica)

        step()
        halves = clips.numpy().reshape(2, 2, 3, 4, 4, 5)
        for value in strategy.experimental_local_results(layer.moving_variance.value):
            self.assertAllClose(value, halves.var((1, 2, 3, 4)).mean(0), 1e-4)


if __name__ == "__main__":
    tf.test.main()
