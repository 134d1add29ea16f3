"""Softmax cross-entropy over some of the classes (NoisyActions2M, algorithm 1: CCE-Mask)."""

import tensorflow as tf


def masked_cross_entropy(labels: tf.Tensor, logits: tf.Tensor, masked: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of every clip where masked classes leave the denominator, computed in float32.

    As in the authors' code their logits are minus infinity: their scores are 0, and so are the gradients by them.

    Args:
      labels: int32 [B] class ids.
      logits: [B, N].
      masked: bool [B, N]; a clip's label is not masked, whatever this says.

    Returns:
      float32 [B].
    """
    logits = tf.cast(logits, tf.float32)
    is_label = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    left = tf.where(masked & ~is_label, -float("inf"), logits)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=left)
