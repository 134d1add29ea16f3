"""Softmax cross-entropy against numpy and Keras."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.hardware.distribution import device_strategy, join_batch, split_batch
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from tests.losses.gradients import value_and_gradient


def _value_and_gradient(logits, labels, smoothing):
    return value_and_gradient(softmax_cross_entropy, labels, logits, label_smoothing=smoothing)


class SoftmaxCrossEntropyTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(0.0, 0.1)
    def test_values_and_gradients_are_those_of_keras(self, smoothing):
        generator = np.random.default_rng(0)
        logits = tf.constant(generator.normal(scale=3, size=(7, 5)), tf.float32)
        labels = np.array([0, 4, 2, 2, 1, 3, 0])
        one_hot = np.eye(5, dtype=np.float32)[labels]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            ours = softmax_cross_entropy(tf.constant(labels, tf.int32), logits, label_smoothing=smoothing)
            keras_loss = keras.losses.categorical_crossentropy(
                one_hot, logits, from_logits=True, label_smoothing=smoothing
            )
        self.assertAllClose(ours, keras_loss, rtol=1e-6)
        self.assertAllClose(tape.gradient(ours, logits), tape.gradient(keras_loss, logits), atol=1e-6)

    @parameterized.parameters(0.0, 0.1, 1.0)
    def test_smoothing_is_the_cross_entropy_of_a_target_with_an_even_share(self, smoothing):
        logits = np.random.default_rng(1).normal(scale=3, size=(4, 5))
        labels = np.array([3, 0, 0, 4])
        target = (1 - smoothing) * np.eye(5)[labels] + smoothing / 5
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        losses, gradient = _value_and_gradient(logits.astype(np.float32), labels, smoothing)
        self.assertAllClose(losses, -(target * np.log(p)).sum(axis=1), rtol=1e-5, atol=1e-5)
        self.assertAllClose(gradient, p - target, atol=1e-6)

    def test_two_replicas_give_the_losses_of_one(self):
        strategy = device_strategy("mirrored")
        logits = tf.constant(np.random.default_rng(2).normal(size=(4, 5)), tf.float32)
        labels = tf.constant([3, 0, 0, 4])
        split = [split_batch(strategy, values) for values in (logits, labels)]
        both = tf.function(strategy.run)(_value_and_gradient, args=(*split, 0.1))
        for ours, whole in zip(both, _value_and_gradient(logits, labels, 0.1), strict=True):
            self.assertAllClose(join_batch(strategy, ours), whole, atol=1e-6)

    @parameterized.parameters((0.0, [100.0, 0.0]), (0.1, [95.0, 5.0]))
    def test_is_finite_and_float32_at_extreme_bfloat16_logits(self, smoothing, expected):
        logits = tf.constant([[50.0, -50.0], [-50.0, 50.0]], tf.bfloat16)
        losses, gradient = _value_and_gradient(logits, [1, 1], smoothing)
        self.assertEqual(losses.dtype, tf.float32)
        self.assertAllClose(losses, expected, atol=1e-5)
        self.assertAllInRange(tf.cast(gradient, tf.float32), -1.0, 1.0)
