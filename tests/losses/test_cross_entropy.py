"""Softmax cross-entropy against numpy and Keras."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.cross_entropy import softmax_cross_entropy


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

    def test_is_finite_and_float32_at_extreme_bfloat16_logits(self):
        logits = tf.constant([[50.0, -50.0], [-50.0, 50.0]], tf.bfloat16)
        losses = softmax_cross_entropy(tf.constant([1, 1]), logits)
        self.assertEqual(losses.dtype, tf.float32)
        self.assertAllClose(losses, [100.0, 0.0], atol=1e-5)
