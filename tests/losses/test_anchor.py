"""Anchor loss against the formulas in float64 numpy, their derivatives by central differences."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy, join_batch, split_batch
from spl_tf.losses.anchor import anchor_loss
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from tests.losses.gradients import value_and_gradient

LABELS = np.array([0, 4, 2, 2, 1, 3, 0, 1])


def _logits(scale=3.0):
    return np.random.default_rng(0).normal(scale=scale, size=(8, 5))


def _anchor(scores, label, delta, kind):
    """The detached part: a or b of one clip."""
    others = [score for c, score in enumerate(scores) if c != label]
    return max(scores[label] - delta, 0) if kind == "neg" else min(max(others) + delta, 1)


def _loss(logits, label, anchor, gamma, kind):
    """One clip, class by class, with the anchor given."""
    total = 0.0
    for c, z in enumerate(logits):
        p = 1 / (1 + np.exp(-z))
        if c == label:
            total -= ((1 - p + anchor) ** gamma if kind == "pos" else 1) * np.log(p)
        else:
            total -= ((1 + p - anchor) ** gamma if kind == "neg" else 1) * np.log(1 - p)
    return total


def _expected(logits, gamma, delta, kind):
    """Values and gradients; the anchor stays put while the logits are moved."""
    values, gradients, step = [], np.zeros_like(logits), 1e-5
    for i, (row, label) in enumerate(zip(logits, LABELS, strict=True)):
        anchor = _anchor(1 / (1 + np.exp(-row)), label, delta, kind)
        values.append(_loss(row, label, anchor, gamma, kind))
        for c in range(row.size):
            shift = step * np.eye(row.size)[c]
            above, below = (_loss(moved, label, anchor, gamma, kind) for moved in (row + shift, row - shift))
            gradients[i, c] = (above - below) / (2 * step)
    return values, gradients


def _value_and_gradient(logits, labels=LABELS, *, epoch=5.0, **options):
    return value_and_gradient(anchor_loss, labels, logits, epoch=tf.constant(epoch), **options)


class AnchorLossTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(anchor=["neg", "pos"], gamma=[0.5, 2.0], delta=[0.05, 0.0, 0.7])
    def test_values_and_gradients_are_those_of_the_formulas(self, anchor, gamma, delta):
        logits = _logits()
        losses, gradient = _value_and_gradient(logits.astype(np.float32), anchor=anchor, gamma=gamma, delta=delta)
        values, gradients = _expected(logits, gamma, delta, anchor)
        self.assertAllClose(losses, values, rtol=1e-5, atol=1e-5)
        self.assertAllClose(gradient, gradients, rtol=1e-5, atol=1e-5)

    @parameterized.parameters("neg", "pos")
    def test_the_modulating_factor_carries_gradient_and_the_anchor_none(self, anchor):
        logits = _logits()
        _, gradient = _value_and_gradient(logits.astype(np.float32), anchor=anchor)
        p, is_label = 1 / (1 + np.exp(-logits)), np.eye(5)[LABELS]
        on_label = p[np.arange(8), LABELS]
        if anchor == "neg":
            # The label's own term is -log p_y; a gradient through a would add to it.
            self.assertAllClose(tf.reduce_sum(gradient * is_label, axis=1), on_label - 1, atol=1e-5)
        else:
            # The others' terms are -log(1 - p_c); a gradient through b would add to the highest.
            self.assertAllClose(gradient * (1 - is_label), p * (1 - is_label), atol=1e-5)
        modulated = is_label if anchor == "pos" else 1 - is_label
        _, plain = _value_and_gradient(logits.astype(np.float32), gamma=0.0)
        self.assertTrue(np.all(np.abs(gradient - plain)[modulated > 0] > 1e-6))

    @parameterized.parameters("neg", "pos")
    def test_gamma_zero_is_the_sum_of_sigmoid_cross_entropies(self, anchor):
        logits = _logits()
        losses, gradient = _value_and_gradient(logits.astype(np.float32), gamma=0.0, anchor=anchor)
        signs = 1 - 2 * np.eye(5)[LABELS]
        self.assertAllClose(losses, np.logaddexp(0, signs * logits).sum(axis=1), rtol=1e-5)
        self.assertAllClose(gradient, 1 / (1 + np.exp(-logits)) - np.eye(5)[LABELS], atol=1e-5)

    @parameterized.parameters("neg", "pos")
    def test_without_margin_equal_scores_are_not_modulated(self, anchor):
        logits = np.full((8, 5), 0.7, np.float32)
        losses, _ = _value_and_gradient(logits, delta=0.0, anchor=anchor, gamma=3.0)
        self.assertAllClose(losses, np.full(8, np.logaddexp(0, -0.7) + 4 * np.logaddexp(0, 0.7)), rtol=1e-6)

    def test_warm_up_epochs_are_softmax_cross_entropy(self):
        logits = tf.constant(_logits(), tf.float32)
        plain, plain_gradient = value_and_gradient(softmax_cross_entropy, LABELS, logits)
        losses, gradient = _value_and_gradient(logits, epoch=4.99)
        self.assertAllEqual(losses, plain)
        self.assertAllEqual(gradient, plain_gradient)
        after, _ = _value_and_gradient(logits, epoch=5.0)
        self.assertNotAllClose(after, plain, atol=1e-2)
        self.assertAllEqual(_value_and_gradient(logits, epoch=0.0, warmup_epochs=0.0)[0], after)

    @parameterized.product(anchor=["neg", "pos"], delta=[0.05, 0.0], epoch=[0.0, 9.0], label=[0, 1])
    def test_is_finite_and_float32_at_extreme_bfloat16_logits(self, anchor, delta, epoch, label):
        logits = tf.constant([[50.0, -50.0, -50.0], [-50.0, 50.0, 50.0], [50.0, 50.0, -50.0]], tf.bfloat16)
        losses, gradient = _value_and_gradient(logits, [label] * 3, anchor=anchor, delta=delta, epoch=epoch)
        self.assertEqual(losses.dtype, tf.float32)
        self.assertAllInRange(losses, 0.0, 250.0)
        self.assertAllInRange(tf.cast(gradient, tf.float32), -50.0, 50.0)

    def test_two_replicas_give_the_losses_of_one(self):
        strategy = device_strategy("mirrored")
        logits, labels = tf.constant(_logits(), tf.float32), tf.constant(LABELS, tf.int32)
        losses, gradient = _value_and_gradient(logits)
        split = [split_batch(strategy, values) for values in (logits, labels)]
        ours = tf.function(strategy.run)(_value_and_gradient, args=split)
        self.assertAllClose(join_batch(strategy, ours[0]), losses, rtol=1e-6)
        self.assertAllClose(join_batch(strategy, ours[1]), gradient, atol=1e-6)

    @parameterized.parameters({"anchor": "both"}, {"gamma": -1.0}, {"delta": 1.5}, {"delta": -0.1})
    def test_options_out_of_range_are_refused(self, **options):
        with self.assertRaisesRegex(UserError, "anchor_loss"):
            _value_and_gradient(_logits(), **options)
