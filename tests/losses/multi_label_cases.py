"""A batch of several labels a clip, and losses of it element by element in float64."""

import numpy as np
import tensorflow as tf

from spl_tf.losses.class_counts import ClassCounts

CLIPS, CLASSES = 8, 5
COUNTS = ClassCounts(np.array([40, 3, 12, 1, 25], np.int64), 50)

_RANDOM = np.random.default_rng(7)
LABELS = (_RANDOM.random((CLIPS, CLASSES)) < 0.4).astype(np.float32)
LABELS[0], LABELS[1] = 0, 1  # A clip of no class, one of all.
KNOWN = (_RANDOM.random((CLIPS, CLASSES)) < 0.8).astype(np.float32)
KNOWN[:2], KNOWN[7] = 1, 0  # And one of which nothing is known.
LABELS *= KNOWN
LOGITS = _RANDOM.normal(0, 3, (CLIPS, CLASSES))


def value_and_gradient(
    loss, labels=LABELS, logits=LOGITS, known=KNOWN, epoch=0.0, counts=COUNTS, dtype=tf.float32, **options
):
    """Losses [B] of a function under test, and the gradient of their sum [B, N]."""
    logits = tf.cast(tf.convert_to_tensor(logits), dtype)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = loss(tf.constant(labels), logits, tf.constant(known), tf.constant(epoch), counts, **options)
    return losses, tape.gradient(losses, logits)


def by_hand(one, labels=LABELS, logits=LOGITS, known=KNOWN):
    """Means over the known classes of `one(z, clip, class)`, and its derivatives by central differences."""
    values, gradients, step = np.zeros(len(labels)), np.zeros(labels.shape), 1e-5
    for clip in range(len(labels)):
        number = sum(known[clip])
        for index in range(labels.shape[1]):
            if known[clip, index]:
                z = float(logits[clip, index])
                values[clip] += one(z, clip, index) / number
                gradients[clip, index] = (one(z + step, clip, index) - one(z - step, clip, index)) / (2 * step) / number
    return values, gradients


def sigmoid(z):
    return 1 / (1 + np.exp(-z))
