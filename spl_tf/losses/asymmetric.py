"""Asymmetric loss (Ridnik, Ben-Baruch et al., ICCV 2021; Alibaba-MIIL/ASL): easy and doubtful negatives count less."""

import math

import gin
import tensorflow as tf

from spl_tf.losses.binary_terms import cross_entropies, focal_factors, mean_over_known
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.ranges import NonNegative, Share

# As in the authors' code the logarithm's argument is kept above it: a class of the clip whose logit is below -18.4 has
# a constant loss, and gradient through the focal factor at most.
_SMALLEST = 1e-8


@gin.configurable(denylist=["epoch", "counts"])
def asymmetric(
    labels: tf.Tensor,
    logits: tf.Tensor,
    known: tf.Tensor,
    epoch: tf.Tensor | float = 0.0,
    counts: ClassCounts | None = None,
    *,
    gamma_neg: NonNegative = 4.0,
    gamma_pos: NonNegative = 1.0,
    clip: Share = 0.05,
    focus_gradient: bool = False,
) -> tf.Tensor:
    """Focal losses with an exponent for each side and a margin of probability for negatives, in float32.

    With p = sigmoid(logits) and q = max(p - clip, 0), the mean over the known classes of

      -(1 - p)^gamma_pos log p      for a class the clip has,
      -q^gamma_neg log(1 - q)       for any other: nothing where p is at most `clip`.

    The authors sum over clips and classes; the mean keeps the learning rate independent of N.

    Args:
      labels: float32 [B, N], 1 for a class the clip has, else 0.
      logits: [B, N].
      known: float32 [B, N], 0 for a class of which nothing is known, else 1.
      epoch: not used.
      counts: not used.
      gamma_neg: 4 is the paper's.
      gamma_pos: 1 is the default of the authors' code, and what NoisyActions2M has; their runs and paper take 0.
      clip: the margin; 0 for none.
      focus_gradient: whether gradient flows through the two powers. It does in the paper's formulas; by default the
        authors' code takes them for constants (disable_torch_grad_focal_loss).

    Returns:
      float32 [B]; 0 for a clip of which nothing is known.
    """
    del epoch, counts
    logits = tf.cast(logits, tf.float32)
    flow = tf.identity if focus_gradient else tf.stop_gradient
    largest = -math.log(_SMALLEST)
    positives = tf.minimum(cross_entropies(logits), largest) * flow(focal_factors(logits, gamma_pos))
    beyond = tf.sigmoid(logits) - clip
    counted = beyond > 0.0
    beyond = tf.where(counted, beyond, 0.5)  # A power of 0 has no finite derivative for gamma_neg below 1.
    # -log(1 - q), with the digits that 1 - p would lose, and without a margin those that p would.
    away = -tf.math.log(tf.sigmoid(-logits) + clip) if clip else cross_entropies(-logits)
    negatives = tf.where(counted, tf.minimum(away, largest) * flow(beyond**gamma_neg), 0.0)
    return mean_over_known(tf.where(labels > 0, positives, negatives), known)
