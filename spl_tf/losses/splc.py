"""SPLC, self-paced loss correction for missing labels (Zhang et al., arXiv 2112.07368; xinyu1205/robust-loss-mlml)."""

import gin
import tensorflow as tf

from spl_tf.losses.binary_terms import cross_entropies, focal_factors, mean_over_known, truth_logits
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.ranges import NonNegative, Part


@gin.configurable(denylist=["epoch", "counts"])
def splc(
    labels: tf.Tensor,
    logits: tf.Tensor,
    known: tf.Tensor,
    epoch: tf.Tensor | float,
    counts: ClassCounts | None = None,
    *,
    tau: Part = 0.6,
    start_epoch: NonNegative = 1.0,
    margin: float = 1.0,
    gamma: NonNegative = 2.0,
) -> tf.Tensor:
    """Focal losses with a margin, where a negative the network is sure of counts as a class the clip has; in float32.

    With p = sigmoid(z), and z = logits - margin for a class the clip has, the mean over the known classes of

      -(1 - p)^gamma log p     for a class the clip has, and from `start_epoch` on for others with p > tau,
      -p^gamma log(1 - p)      for the rest.

    As in the authors' code a class taken for missing has no margin. They sum over clips and classes; the mean keeps the
    learning rate independent of N. `gamma` = 0 and `margin` = 0 leave sigmoid cross-entropy with corrected labels.

    Args:
      labels: float32 [B, N], 1 for a class the clip has, 0 for one it lacks or that is missing.
      logits: [B, N].
      known: float32 [B, N], 0 for a class of which nothing is known, else 1.
      epoch: epochs done, with its fraction; scalar.
      counts: not used.
      tau: the probability above which a label is taken for missing.
      start_epoch: epochs before labels are corrected; 1 in the authors' code, as the first epoch already finds some
        missing labels with high precision.
      margin: taken from the logits of classes the clip has.
      gamma: exponent of the focal factors.

    Returns:
      float32 [B]; 0 for a clip of which nothing is known.
    """
    del counts
    logits = tf.cast(logits, tf.float32)
    has = labels > 0
    missing = tf.logical_and(tf.sigmoid(logits) > tau, tf.cast(epoch, tf.float32) >= start_epoch)
    of_truth = truth_logits(tf.cast(has | missing, tf.float32), tf.where(has, logits - margin, logits))
    return mean_over_known(focal_factors(of_truth, gamma) * cross_entropies(of_truth), known)
