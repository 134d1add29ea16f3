"""Softmax cross-entropy, equation 1 of the SPL paper."""

import gin
import tensorflow as tf

from spl_tf.ranges import Share


@gin.configurable(denylist=["epoch"])
def softmax_cross_entropy(
    labels: tf.Tensor, logits: tf.Tensor, epoch: tf.Tensor | float = 0.0, *, label_smoothing: Share = 0.0
) -> tf.Tensor:
    """Cross-entropy of every clip, computed in float32.

    Args:
      labels: int32 [B] class ids.
      logits: [B, N].
      epoch: not used.
      label_smoothing: share of the target spread evenly over all N classes.

    Returns:
      float32 [B].
    """
    del epoch
    logits = tf.cast(logits, tf.float32)
    log_probabilities = tf.nn.log_softmax(logits)
    on_label = tf.gather(log_probabilities, labels, batch_dims=1)
    return -(1.0 - label_smoothing) * on_label - label_smoothing * tf.reduce_mean(log_probabilities, axis=-1)
