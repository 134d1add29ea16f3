import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.masked_cross_entropy import masked_cross_entropy

CLIPS, CLASSES = 6, 5
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, CLASSES, CLIPS).astype(np.int32)
MASKED = RANDOM.random((CLIPS, CLASSES)) < 0.4
MASKED[0], MASKED[1] = True, False


def _by_hand(logits):
    """Losses and their gradients by the logits, class by class in float64."""
    losses, gradients = np.zeros(CLIPS), np.zeros((CLIPS, CLASSES))
    for clip, label in enumerate(LABELS):
        left = [index for index in range(CLASSES) if index == label or not MASKED[clip, index]]
        own = logits[clip, left].astype(np.float64)
        total = own.max() + np.log(np.exp(own - own.max()).sum())
        losses[clip] = total - float(logits[clip, label])
        for index, value in zip(left, own, strict=True):
            gradients[clip, index] = np.exp(value - total) - (index == label)
    return losses, gradients


class MaskedCrossEntropyTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((3.0, tf.float32), (1e4, tf.float32), (3.0, tf.bfloat16))
    def test_values_and_gradients(self, scale, dtype):
        logits = tf.Variable(RANDOM.normal(0, 1, (CLIPS, CLASSES)) * scale, dtype=dtype)
        with tf.GradientTape() as tape:
            losses = masked_cross_entropy(LABELS, logits, tf.constant(MASKED))
        gradients = tf.cast(tape.gradient(losses, logits), tf.float32)
        expected, expected_gradients = _by_hand(tf.cast(logits, tf.float32).numpy())
        self.assertEqual(losses.dtype, tf.float32)
        self.assertAllClose(losses, expected, rtol=1e-5, atol=1e-5)
        self.assertAllClose(gradients, expected_gradients, atol=1e-6 if dtype == tf.float32 else 4e-3)
        others = MASKED & (np.arange(CLASSES) != LABELS[:, None])
        self.assertAllEqual(gradients[others], np.zeros(others.sum()))

    def test_extremes(self):
        logits = tf.Variable([[1e4, -1e4, -1e4], [1e4, -1e4, 0.0]])
        masked = tf.constant([[True, False, False], [False, False, False]])
        with tf.GradientTape() as tape:
            losses = masked_cross_entropy(tf.constant([1, 1]), logits, masked)
        self.assertAllClose(losses, [np.log(2), 2e4])
        self.assertAllClose(tape.gradient(losses, logits), [[0, -0.5, 0.5], [1, -1, 0]])

    def test_without_masks_it_is_keras(self):
        logits = RANDOM.normal(0, 3, (CLIPS, CLASSES)).astype(np.float32)
        losses = masked_cross_entropy(LABELS, logits, tf.zeros([CLIPS, CLASSES], tf.bool))
        self.assertAllClose(losses, keras.losses.sparse_categorical_crossentropy(LABELS, logits, from_logits=True))


if __name__ == "__main__":
    tf.test.main()
