"""CleanNet's losses (Lee et al., CVPR 2018, section 3.3), with the weights of the authors' code."""

import tensorflow as tf

MARGIN = 0.1
_WRONG_WEIGHT = 5.0
_RECONSTRUCTION_WEIGHT = 0.1
_UNVERIFIED_WEIGHT = 0.1


def cosine_similarity(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """[B] from two [B, D]."""
    return tf.reduce_sum(tf.math.l2_normalize(first, axis=-1) * tf.math.l2_normalize(second, axis=-1), axis=-1)


def verified_loss(cosine: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """1 - cos of right pairs, 5 max(0, cos - 0.1) of wrong ones.

    Args:
      cosine: float32 [B], similarity of clip and class.
      right: float32 [B], 1 or 0.

    Returns:
      float32 [B].
    """
    return right * (1.0 - cosine) + _WRONG_WEIGHT * (1.0 - right) * tf.nn.relu(cosine - MARGIN)


def unverified_loss(cosine: tf.Tensor) -> tf.Tensor:
    """The same, taking a pair for right where the network does: cos >= 0.1. float32 [B]."""
    return verified_loss(cosine, tf.cast(cosine >= MARGIN, cosine.dtype))


def reconstruction_loss(features: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Squared distance, summed over the features: float32 [B] from two [B, C]."""
    return tf.reduce_sum(tf.math.squared_difference(features, reconstruction), axis=-1)


def cleannet_loss(
    cosine: tf.Tensor,
    right: tf.Tensor,
    verified: tf.Tensor,
    features: tf.Tensor,
    reconstruction: tf.Tensor,
) -> tf.Tensor:
    """The whole loss of every pair, without weight decay.

    Args:
      cosine: float32 [B].
      right: float32 [B], 1 or 0; of unverified pairs anything.
      verified: float32 [B], 1 where a person said whether the pair is right.
      features: float32 [B, C], what the clip's code is to give back.
      reconstruction: float32 [B, C].

    Returns:
      float32 [B].
    """
    return (
        verified * verified_loss(cosine, right)
        + _UNVERIFIED_WEIGHT * (1.0 - verified) * unverified_loss(cosine)
        + _RECONSTRUCTION_WEIGHT * reconstruction_loss(features, reconstruction)
    )
