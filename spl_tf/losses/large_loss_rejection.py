"""Large-loss rejection for missing labels (Kim et al., CVPR 2022; snucml/LargeLossMatters, scheme LL-R)."""

import gin
import tensorflow as tf

from spl_tf.losses.batch_statistics import batch_rows
from spl_tf.losses.binary_terms import cross_entropies, mean_over_known, truth_logits
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.ranges import Part


@gin.configurable(denylist=["epoch", "counts"])
def large_loss_rejection(
    labels: tf.Tensor,
    logits: tf.Tensor,
    known: tf.Tensor,
    epoch: tf.Tensor | float,
    counts: ClassCounts | None = None,
    *,
    growth: Part = 0.002,
) -> tf.Tensor:
    """Sigmoid cross-entropies without the largest of classes that clips are said to lack, in float32.

    Of K known pairs of clip and class, ceil(K * growth * whole epochs done) are rejected, at most all: those of the
    largest losses where the label is 0, and whatever equals the smallest of them. A whole number is not rounded up; the
    authors' code rejects one pair more there, by the last bit of 1 - (1 - share). A rejected loss is 0 and stays in the
    mean, as in the authors' code; a class the clip has is never rejected. The first epoch rejects nothing.

    The batch is that of all replicas; with `train_stage.accumulation` each micro-batch rejects its own share.

    Args:
      labels: float32 [B, N], 1 for a class the clip has, 0 for one it lacks or that is missing.
      logits: [B, N].
      known: float32 [B, N], 0 for a class of which nothing is known, else 1.
      epoch: epochs done, with its fraction; scalar.
      counts: not used.
      growth: share of the losses by which the rejected ones grow with every epoch. The authors try 0.001 to 0.005 in
        10 epochs; for longer runs choose it so that the last epoch's share is that of labels missing.

    Returns:
      float32 [B]; 0 for a clip of which nothing is known.
    """
    del counts
    of_truth = truth_logits(labels, logits)
    losses = cross_entropies(of_truth)
    unobserved = (labels <= 0) & (known > 0)
    share = tf.minimum(growth * tf.floor(tf.cast(epoch, tf.float64)), 1.0)
    candidates = tf.reshape(batch_rows(tf.stop_gradient(tf.where(unobserved, losses, -1.0))), [-1])
    pairs = tf.reduce_sum(tf.cast(batch_rows(known) > 0, tf.float64))
    number = tf.cast(tf.math.ceil(pairs * share - 1e-6), tf.int32)  # Rounding upwards rejects none.
    largest = tf.math.top_k(candidates, tf.maximum(number, 1)).values
    rejected = unobserved & (losses >= largest[-1]) & (number > 0)
    return mean_over_known(tf.where(rejected, 0.0, losses), known)
