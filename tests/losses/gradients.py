"""What a loss of one label a clip gives, and its gradient."""

import tensorflow as tf


def value_and_gradient(loss, labels, logits, **options):
    """Losses [B] of a function under test, and the gradient of their sum [B, N]."""
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = loss(tf.convert_to_tensor(labels, tf.int32), logits, **options)
    return losses, tape.gradient(losses, logits)
