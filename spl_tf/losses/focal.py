"""Focal loss of every class (Lin et al., ICCV 2017), for clips of any number of classes (NoisyActions2M, table 3)."""

import gin
import tensorflow as tf

from spl_tf.losses.binary_terms import cross_entropies, focal_factors, mean_over_known, truth_logits
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.ranges import NonNegative, Part


@gin.configurable(denylist=["epoch", "counts"])
def focal(
    labels: tf.Tensor,
    logits: tf.Tensor,
    known: tf.Tensor,
    epoch: tf.Tensor | float = 0.0,
    counts: ClassCounts | None = None,
    *,
    gamma: NonNegative = 2.0,
    alpha_pos: Part = 0.75,
) -> tf.Tensor:
    """Mean over the known classes of -alpha_t (1 - p_t)^gamma log p_t, computed in float32.

    With p = sigmoid(logits), p_t = p and alpha_t = alpha_pos for a class the clip has, else p_t = 1 - p and
    alpha_t = 1 - alpha_pos. Gradient flows through both factors.

    Args:
      labels: float32 [B, N], 1 for a class the clip has, else 0.
      logits: [B, N].
      known: float32 [B, N], 0 for a class of which nothing is known, else 1.
      epoch: not used.
      counts: not used.
      gamma: 0 gives the cross-entropies weighted by alpha_t.
      alpha_pos: weight of the classes a clip has. 0.75 as NoisyActions2M ran it, whose code looks the pair
        [0.25, 0.75] up by the label; RetinaNet's is 0.25. With few classes a clip, 0.25 leaves them still less.

    Returns:
      float32 [B]; 0 for a clip of which nothing is known.
    """
    del epoch, counts
    of_truth = truth_logits(labels, logits)
    alphas = tf.where(labels > 0, alpha_pos, 1.0 - alpha_pos)
    return mean_over_known(alphas * focal_factors(of_truth, gamma) * cross_entropies(of_truth), known)
