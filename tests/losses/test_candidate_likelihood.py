"""The loss of partial labels against loops in float64."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.candidate_likelihood import candidate_likelihood

CLIPS, CLASSES = 6, 5
RANDOM = np.random.default_rng(0)
CANDIDATES = (RANDOM.random((CLIPS, CLASSES)) < 0.4).astype(np.float32)
CANDIDATES[0], CANDIDATES[1], CANDIDATES[2] = 1, 0, [0, 0, 1, 0, 0]
CANDIDATES[3:, 0] = 1


def by_hand(logits, candidates=CANDIDATES):
    """Losses and gradients, class by class; of no candidate nothing."""
    losses, gradients = np.zeros(CLIPS), np.zeros((CLIPS, CLASSES))
    for clip in range(CLIPS):
        own = [index for index in range(CLASSES) if candidates[clip, index]]
        if not own:
            continue
        z = logits[clip].astype(np.float64)
        total = z.max() + np.log(sum(np.exp(value - z.max()) for value in z))
        top = max(z[index] for index in own)
        of_own = top + np.log(sum(np.exp(z[index] - top) for index in own))
        losses[clip] = total - of_own
        for index in range(CLASSES):
            share = np.exp(z[index] - of_own) if index in own else 0.0
            gradients[clip, index] = np.exp(z[index] - total) - share
    return losses, gradients


def values(logits, candidates=CANDIDATES):
    with tf.GradientTape() as tape:
        losses = candidate_likelihood(tf.constant(candidates), logits)
    return losses, tf.cast(tape.gradient(losses, logits), tf.float32)


class CandidateLikelihoodTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((3.0, tf.float32), (1e4, tf.float32), (3.0, tf.bfloat16))
    def test_values_and_gradients(self, scale, dtype):
        logits = tf.Variable(RANDOM.normal(0, 1, (CLIPS, CLASSES)) * scale, dtype=dtype)
        losses, gradients = values(logits)
        expected, expected_gradients = by_hand(tf.cast(logits, tf.float32).numpy())
        self.assertEqual(losses.dtype, tf.float32)
        self.assertAllClose(losses, expected, rtol=1e-5, atol=1e-5 * max(1, scale / 100))
        self.assertAllClose(gradients, expected_gradients, atol=1e-5 if dtype == tf.float32 else 4e-3)

    def test_of_one_candidate_it_is_keras(self):
        labels = RANDOM.integers(0, CLASSES, CLIPS)
        logits = tf.Variable(RANDOM.normal(0, 3, (CLIPS, CLASSES)), dtype=tf.float32)
        losses, gradients = values(logits, np.eye(CLASSES, dtype=np.float32)[labels])
        expected = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        self.assertAllClose(losses, expected)
        self.assertAllClose(gradients, tf.nn.softmax(logits) - np.eye(CLASSES)[labels])

    def test_the_gradient_is_that_of_proden(self):
        """Cross-entropy against the probabilities renormalised on the candidates, as constants."""
        logits = tf.Variable(RANDOM.normal(0, 2, (CLIPS, CLASSES)), dtype=tf.float32)
        candidates = CANDIDATES.copy()
        candidates[1, 3] = 1
        _, gradients = values(logits, candidates)
        with tf.GradientTape() as tape:
            of_set = tf.nn.softmax(logits) * candidates
            target = tf.stop_gradient(of_set / tf.reduce_sum(of_set, axis=1, keepdims=True))
            losses = keras.losses.categorical_crossentropy(target, logits, from_logits=True)
        self.assertAllClose(gradients, tape.gradient(losses, logits), atol=1e-6)

    def test_extremes_stay_finite(self):
        logits = tf.Variable([[3e4, -3e4, -3e4], [3e4, 3e4, -3e4], [0.0, 0.0, 0.0]])
        candidates = np.float32([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
        losses, gradients = values(logits, candidates)
        self.assertAllClose(losses, [6e4 - np.log(2), 0, 0])
        self.assertAllClose(gradients, [[1, -0.5, -0.5], [0, 0, 0], [0, 0, 0]], atol=1e-6)


if __name__ == "__main__":
    tf.test.main()
