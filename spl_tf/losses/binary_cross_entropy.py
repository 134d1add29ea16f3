"""Binary cross-entropy of every class, for clips of any number of classes (NoisyActions2M, table 3: BCE)."""

import gin
import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.losses.binary_terms import mean_over_known
from spl_tf.losses.class_counts import ClassCounts


@gin.configurable(denylist=["epoch", "counts"])
def sigmoid_cross_entropy(
    labels: tf.Tensor,
    logits: tf.Tensor,
    known: tf.Tensor,
    epoch: tf.Tensor | float = 0.0,
    counts: ClassCounts | None = None,
    *,
    reduction: str = "mean",
) -> tf.Tensor:
    """Sigmoid cross-entropies of a clip over the classes that are known of it, computed in float32.

    Args:
      labels: float32 [B, N], 1 for a class the clip has, else 0.
      logits: [B, N].
      known: float32 [B, N], 0 for a class of which nothing is known, else 1.
      epoch: not used.
      counts: not used.
      reduction: "mean" over the known classes, which keeps the learning rate independent of N, or "sum".

    Returns:
      float32 [B]; 0 for a clip of which nothing is known.

    Raises:
      UserError: `reduction` is neither.
    """
    del epoch, counts
    if reduction not in ("mean", "sum"):
        raise UserError(f"sigmoid_cross_entropy.reduction {reduction!r} is neither 'mean' nor 'sum'")
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=tf.cast(logits, tf.float32))
    return tf.reduce_sum(known * losses, axis=-1) if reduction == "sum" else mean_over_known(losses, known)
