"""Softmax cross-entropy for partial labels: several candidates, of which one is right (Jin and Ghahramani 2002)."""

import tensorflow as tf


def candidate_likelihood(candidates: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """-log of the probability that one of its candidates gives every clip, computed in float32.

    Of one candidate it is cross-entropy. Its gradient is that of cross-entropy against the probabilities, taken as
    constants, renormalised on the candidates (the progressive identification of PRODEN, Lv et al. 2020, with the
    probabilities of this very step): a network that comes to prefer a candidate learns it more and more.

    Args:
      candidates: float32 [B, N], 1 for a candidate, else 0; a clip without any costs nothing.
      logits: [B, N].

    Returns:
      float32 [B].
    """
    logits = tf.cast(logits, tf.float32)
    is_candidate = candidates > 0
    has_any = tf.reduce_any(is_candidate, axis=-1, keepdims=True)
    # Without a candidate all are taken for one: a loss of 0, and gradients of 0 instead of NaN.
    chosen = tf.where(is_candidate | ~has_any, logits, -float("inf"))
    return tf.maximum(tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_logsumexp(chosen, axis=-1), 0.0)
