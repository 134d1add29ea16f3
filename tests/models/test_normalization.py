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

    def test_synchronized_replicas_equal_one_device_on_the_whole_batch(self):
        clips, weights = _clips(4, 3, 4, 4, 5), _clips(4, 3, 4, 4, 5, seed=3)
        whole, _ = self._pair(clips.shape, synchronized=True)
        expected_outputs, expected_gradients = _training_step(whole, clips, weights)
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
        outputs = tf.concat(strategy.experimental_local_results(outputs), 0)
        clip_gradients = tf.concat(strategy.experimental_local_results(clip_gradients), 0)
        self.assertAllClose(outputs, expected_outputs, 1e-5, 1e-5)
        self.assertAllClose(clip_gradients, expected_gradients[0], 1e-4, 1e-4)
        for gradient, expected in zip(parameter_gradients, expected_gradients[1:], strict=True):
            self.assertAllClose(strategy.reduce("SUM", gradient, axis=None), expected, 1e-4, 1e-4)
        self.assertAllClose(split.get_weights(), whole.get_weights(), 1e-5, 1e-5)

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
