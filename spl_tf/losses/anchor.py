"""Anchor loss (Ryou, Jeong, Perona, ICCV 2019): sigmoid cross-entropies re-weighted by how hard the clip is."""

import gin
import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.losses.cross_entropy import softmax_cross_entropy

# Only delta = 0 at saturated scores gets below it, where the gradient of base^gamma would be infinite.
_SMALLEST_BASE = 1e-7


@gin.configurable(denylist=["epoch"])
def anchor_loss(
    labels: tf.Tensor,
    logits: tf.Tensor,
    epoch: tf.Tensor | float,
    *,
    gamma: float = 0.5,
    delta: float = 0.05,
    anchor: str = "neg",
    warmup_epochs: float = 5.0,
) -> tf.Tensor:
    """Sum over the classes of modulated sigmoid cross-entropies, computed in float32.

    With p = sigmoid(logits) and y the label:

      "neg":  -log p_y  -  sum over c != y of (1 + p_c - a)^gamma * log(1 - p_c),   a = max(p_y - delta, 0)
      "pos":  -(1 - p_y + b)^gamma * log p_y  -  sum over c != y of log(1 - p_c),   b = min(max p_c + delta, 1)

    No gradient flows through the anchors a and b; it does flow through the p_c
    and p_y beside them. The base of the power is at least `delta`; with
    `delta` = 0 it is kept above 1e-7, where the authors' code gives nan for a
    clip that is classified with full certainty.

    The sum over N classes makes the loss far larger than softmax cross-entropy:
    the learning rate must be chosen for it, and `warmup_epochs` belongs to that choice.

    Args:
      labels: int32 [B] class ids.
      logits: [B, N].
      epoch: epochs done, with its fraction; scalar.
      gamma: 0 gives the summed sigmoid cross-entropy.
      delta: margin, the authors' "slack"; in [0, 1].
      anchor: "neg" modulates the other classes by the label's score, "pos" the label's
        class by the highest other score. The SPL paper does not say which it
        took; "neg" is the default of the authors' code.
      warmup_epochs: softmax cross-entropy before; 5 in the authors' code. There it
        is a switch: neither loss nor gamma is annealed.

    Returns:
      float32 [B].

    Raises:
      UserError: an option is out of range.
    """
    if anchor not in ("neg", "pos"):
        raise UserError(f"anchor_loss.anchor {anchor!r} is neither 'neg' nor 'pos'")
    if not (gamma >= 0 and 0 <= delta <= 1):
        raise UserError(f"anchor_loss: gamma = {gamma} must be at least 0 and delta = {delta} in [0, 1]")
    logits = tf.cast(logits, tf.float32)
    is_label = tf.one_hot(labels, tf.shape(logits)[-1])
    cross_entropies = tf.nn.sigmoid_cross_entropy_with_logits(labels=is_label, logits=logits)
    scores = tf.sigmoid(logits)
    if anchor == "neg":
        on_label = tf.reduce_sum(scores * is_label, axis=-1, keepdims=True)
        base = 1.0 + scores - tf.stop_gradient(tf.maximum(on_label - delta, 0.0))
        modulated = 1.0 - is_label
    else:
        hardest = tf.reduce_max(scores * (1.0 - is_label), axis=-1, keepdims=True)
        base = 1.0 - scores + tf.stop_gradient(tf.minimum(hardest + delta, 1.0))
        modulated = is_label
    factors = tf.where(modulated > 0.0, tf.maximum(base, _SMALLEST_BASE) ** gamma, 1.0)
    losses = tf.reduce_sum(factors * cross_entropies, axis=-1)
    return tf.where(epoch < warmup_epochs, softmax_cross_entropy(labels, logits, label_smoothing=0.0), losses)
