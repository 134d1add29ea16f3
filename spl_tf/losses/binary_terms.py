"""What losses of a yes or no for every class share: the logit of the true answer, focal factors, means."""

import tensorflow as tf


def truth_logits(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Logits of p_t, the probability of the true answer: z where a clip has the class, -z elsewhere; float32 [B, N]."""
    logits = tf.cast(logits, tf.float32)
    return tf.where(labels > 0, logits, -logits)


def cross_entropies(of_truth: tf.Tensor) -> tf.Tensor:
    """-log p_t, from the logits of p_t."""
    return tf.nn.softplus(-of_truth)


def focal_factors(of_truth: tf.Tensor, gamma: float) -> tf.Tensor:
    """(1 - p_t)^gamma, from the logits of p_t.

    Through its logarithm, as the derivative of a power of 0 is infinite or not a number for a gamma below 1.
    """
    return tf.exp(-gamma * tf.nn.softplus(of_truth))


def mean_over_known(losses: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Mean of [B, N] over the classes that are known of a clip, [B]; 0 where none is."""
    return tf.math.divide_no_nan(tf.reduce_sum(known * losses, axis=-1), tf.reduce_sum(known, axis=-1))
