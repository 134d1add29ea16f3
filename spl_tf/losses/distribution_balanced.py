"""Distribution-balanced loss for long tails (Wu et al., ECCV 2020), and as NoisyActions2M ran it (its table 3)."""

import gin
import numpy as np
import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.losses.batch_statistics import batch_mean
from spl_tf.losses.binary_terms import cross_entropies, focal_factors, mean_over_known, truth_logits
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.ranges import NonNegative, Positive, Share

_WEIGHTINGS = ("rebalance", "inverse", "sqrt_inverse", "class_balanced", "class_balanced_average", "none")

# A class of no clips counts as one of half a clip, and one of all clips as one that half a clip lacks: the logarithms
# and quotients stay finite.
_HALF = 0.5


@gin.configurable(denylist=["epoch", "counts"])
def distribution_balanced(
    labels: tf.Tensor,
    logits: tf.Tensor,
    known: tf.Tensor,
    epoch: tf.Tensor | float,
    counts: ClassCounts,
    *,
    alpha: NonNegative = 0.1,
    beta: NonNegative = 10.0,
    mu: float = 0.2,
    lambda_: Positive = 2.0,
    kappa: NonNegative = 0.05,
    kappa_div_lambda: bool = False,
    focal: bool = True,
    gamma: NonNegative = 2.0,
    balance: Positive = 2.0,
    weighting: str = "rebalance",
    beta_cb: Share = 0.9,
) -> tf.Tensor:
    """Cross-entropies, re-balanced, tolerant of negatives and focal, in float32.

    With n_i of N clips having class i, r_i = (1 / n_i) / sum over the classes j of the clip of (1 / n_j), and the
    biased logit u_i = z_i - kappa log(N / n_i - 1), the mean over the known classes of

      w_i f_i log(1 + exp(-u_i))                       for a class the clip has,
      w_i f_i log(1 + exp(lambda u_i)) / lambda        for any other,

    where w_i = alpha + sigmoid(beta (r_i - mu)) and f_i = balance (1 - q_i)^gamma, q_i being sigmoid(u_i) or
    sigmoid(-lambda u_i): the probability of the true answer. Gradient flows through f. A clip of no class has
    w = alpha + 1. The bias is part of the loss only: scores are sigmoid(z).

    Defaults are those of the authors' COCO-MLT; VOC-MLT has mu = 0.3 and lambda_ = 5. They train with class-aware
    sampling.

    mu belongs to the data: between the median and the mean of r_i over the classes that clips have, which
    `python -m spl_tf.inspect --shards=D` prints of shards with several labels. Where clips have one class each, r is 1
    and mu of no use. For example, the lists of NoisyActions2M's 25K have the median 0.05 and the mean 0.11:

      multi_label.loss = @distribution_balanced
      distribution_balanced.mu = 0.08

    (With the default 0.2, their own classes weigh less than half of what the others do, 0.40 against 0.88.)

    Args:
      labels: float32 [B, N], 1 for a class the clip has, else 0.
      logits: [B, N].
      known: float32 [B, N], 0 for a class of which nothing is known, else 1.
      epoch: not used.
      counts: clips of every class in training; the authors count images.
      alpha: the least weight.
      beta: steepness of the weight in r.
      mu: r of the weight alpha + 1/2.
      lambda_: scale of the logits of negatives; above 1 their gradient dies out sooner.
      kappa: scale of the bias.
      kappa_div_lambda: divide the bias by lambda, as the released code does, which its authors call an error; the
        paper's formula does not.
      focal: whether there is f: the paper's DB-Focal, else its DB.
      gamma: exponent of f.
      balance: factor of f; 2 in the authors' code.
      weighting: w_i of the formula ("rebalance"), or one of the authors' other weightings: "inverse", N / n_i;
        "sqrt_inverse", its root; "class_balanced", (1 - beta_cb) / (1 - beta_cb^n_i) (Cui et al., CVPR 2019);
        "class_balanced_average", the mean of these over the classes a clip has for all its classes, 1 for a clip of no
        class; or "none", 1.
      beta_cb: of the class-balanced weights.

    Returns:
      float32 [B]; 0 for a clip of which nothing is known.

    Raises:
      UserError: `weighting` is none of the above.
    """
    del epoch
    if weighting not in _WEIGHTINGS:
        raise UserError(f"distribution_balanced.weighting {weighting!r} is none of {', '.join(_WEIGHTINGS)}")
    labels = labels * known
    if weighting == "rebalance":
        weights = _rebalancing(labels, counts, alpha, beta, mu)
    else:
        weights = _weights(labels, counts, weighting, beta_cb)
    of_truth, scales = _tolerant(labels, logits, counts, lambda_, kappa / lambda_ if kappa_div_lambda else kappa)
    losses = weights * scales * cross_entropies(of_truth)
    if focal:
        losses *= balance * focal_factors(of_truth, gamma)
    return mean_over_known(losses, known)


@gin.configurable(denylist=["epoch", "counts"])
def distribution_balanced_na2m(
    labels: tf.Tensor, logits: tf.Tensor, known: tf.Tensor, epoch: tf.Tensor | float, counts: ClassCounts
) -> tf.Tensor:
    """The "Balanced-Focal" of NoisyActions2M as its code ran it, with one focal factor a batch, in float32.

    The code takes means before the focal factor, so that the loss of a batch is

      L = 2 (1 - exp(-m))^2 w

    where w is the mean of `distribution_balanced` without its factor f, with alpha = 10, beta = 0.2, mu = 0.1,
    lambda = 5 and kappa = 0.1, divided by lambda; and m is the mean of log(1 + exp(-u)) or log(1 + exp(lambda u)),
    without weights and without the 1 / lambda. Gradient flows through both. The weights lie between 10.49 and 11:
    nearly constant. The factor falls with the loss, to 0.0008 where m = 0.02, and with it the effective learning rate.
    For what the paper means take `distribution_balanced`; this is for its numbers.

    A batch is that of all replicas; with `train_stage.accumulation` each micro-batch has its own factor. Their code
    counts videos, of the 100K list whatever it trains on; here clips of training are counted.

    Args:
      labels: float32 [B, N], 1 for a class the clip has, else 0.
      logits: [B, N].
      known: float32 [B, N], 0 for a class of which nothing is known, else 1.
      epoch: not used.
      counts: clips of every class in training.

    Returns:
      float32 [B], whose mean is L; 0 for a clip of which nothing is known.
    """
    del epoch
    labels = labels * known
    lambda_ = 5.0
    of_truth, scales = _tolerant(labels, logits, counts, lambda_, 0.1 / lambda_)
    each = cross_entropies(of_truth)
    mean = batch_mean(tf.reduce_mean(mean_over_known(each, known)))
    weighted = mean_over_known(_rebalancing(labels, counts, alpha=10.0, beta=0.2, mu=0.1) * scales * each, known)
    return 2.0 * tf.square(tf.math.expm1(-mean)) * weighted


def _tolerant(
    labels: tf.Tensor, logits: tf.Tensor, counts: ClassCounts, lambda_: float, kappa: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Negative-tolerant regularization: logits of the true answers' probabilities and scales of their losses [B, N]."""
    clips = np.clip(np.asarray(counts.clips, np.float64), _HALF, counts.total - _HALF)
    biases = tf.constant(-kappa * np.log(counts.total / clips - 1.0), tf.float32)
    of_truth = truth_logits(labels, tf.cast(logits, tf.float32) + biases)
    return tf.where(labels > 0, of_truth, lambda_ * of_truth), tf.where(labels > 0, 1.0, 1.0 / lambda_)


def _rebalancing(labels: tf.Tensor, counts: ClassCounts, alpha: float, beta: float, mu: float) -> tf.Tensor:
    """alpha + sigmoid(beta (r - mu)), [B, N]; alpha + 1 for a clip of no class, whose r is infinite."""
    rarity = tf.constant(1.0 / _at_least_half(counts), tf.float32)
    of_clip = tf.reduce_sum(labels * rarity, axis=-1, keepdims=True)
    share = tf.math.divide_no_nan(rarity, of_clip)
    return alpha + tf.where(of_clip > 0, tf.sigmoid(beta * (share - mu)), 1.0)


def _weights(labels: tf.Tensor, counts: ClassCounts, weighting: str, beta_cb: float) -> tf.Tensor:
    """The weightings of classes, [N] or [B, 1]."""
    clips = _at_least_half(counts)
    if weighting == "none":
        return tf.ones(len(clips))
    if weighting in ("inverse", "sqrt_inverse"):
        power = 1.0 if weighting == "inverse" else 0.5
        return tf.constant((counts.total / clips) ** power, tf.float32)
    weights = tf.constant((1.0 - beta_cb) / (1.0 - beta_cb**clips), tf.float32)
    if weighting == "class_balanced":
        return weights
    number = tf.reduce_sum(labels, axis=-1, keepdims=True)
    average = tf.math.divide_no_nan(tf.reduce_sum(labels * weights, axis=-1, keepdims=True), number)
    return tf.where(number > 0, average, 1.0)


def _at_least_half(counts: ClassCounts) -> np.ndarray:
    return np.maximum(np.asarray(counts.clips, np.float64), _HALF)
