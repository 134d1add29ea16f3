"""Distribution-balanced loss against the paper's formulas in float64, its derivatives by central differences."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.distribution_balanced import distribution_balanced, distribution_balanced_na2m
from tests.losses.multi_label_cases import (
    CLASSES,
    CLIPS,
    COUNTS,
    KNOWN,
    LABELS,
    LOGITS,
    by_hand,
    sigmoid,
    value_and_gradient,
)

COCO = {"alpha": 0.1, "beta": 10.0, "mu": 0.2, "lambda_": 2.0, "kappa": 0.05}
VOC = {**COCO, "mu": 0.3, "lambda_": 5.0}
NA2M = {"alpha": 10.0, "beta": 0.2, "mu": 0.1, "lambda_": 5.0, "kappa": 0.1}
# Without what is around the weights.
ONLY_WEIGHTS = {"focal": False, "lambda_": 1.0, "kappa": 0.0}


def _rebalanced(clip, index, alpha, beta, mu):
    repeats = sum(1 / COUNTS.clips[other] for other in range(CLASSES) if LABELS[clip, other])
    if not repeats:
        return alpha + 1
    return alpha + sigmoid(beta * (1 / COUNTS.clips[index] / repeats - mu))


def _tolerant(z, is_label, index, lambda_, kappa):
    """Probability of the true answer, and the loss of it."""
    u = z - kappa * np.log(COUNTS.total / COUNTS.clips[index] - 1)
    if is_label:
        return sigmoid(u), np.log(1 + np.exp(-u))
    return sigmoid(-lambda_ * u), np.log(1 + np.exp(lambda_ * u)) / lambda_


def _one(alpha, beta, mu, lambda_, kappa, gamma=None, balance=1.0):
    def one(z, clip, index):
        q, loss = _tolerant(z, LABELS[clip, index], index, lambda_, kappa)
        factor = 1 if gamma is None else balance * (1 - q) ** gamma
        return factor * _rebalanced(clip, index, alpha, beta, mu) * loss

    return one


def _only_weights(weighting, **options):
    """Weights [B, N] as quotients of the losses with and without."""
    logits = np.zeros((CLIPS, CLASSES))
    _, weighted = value_and_gradient(
        distribution_balanced, logits=logits, **(ONLY_WEIGHTS | options), weighting=weighting
    )
    _, plain = value_and_gradient(sigmoid_cross_entropy, logits=logits)
    return np.where(KNOWN > 0, weighted / np.where(KNOWN > 0, plain, 1), 0)


class DistributionBalancedTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(options=[COCO, VOC, NA2M], divided=[False, True])
    def test_values_and_gradients_are_those_of_the_paper_s_formula(self, options, divided):
        losses, gradient = value_and_gradient(
            distribution_balanced, **options, kappa_div_lambda=divided, focal=False, gamma=3.0, balance=7.0
        )
        kappa = options["kappa"] / options["lambda_"] if divided else options["kappa"]
        values, gradients = by_hand(_one(**{**options, "kappa": kappa}))
        self.assertAllClose(losses, values, rtol=1e-5, atol=1e-7)
        self.assertAllClose(gradient, gradients, rtol=1e-5, atol=1e-7)

    @parameterized.product(options=[COCO, VOC], divided=[False, True], focus=[(2.0, 2.0), (0.5, 1.0)])
    def test_the_focal_factor_is_one_of_each_class_after_the_regularization(self, options, divided, focus):
        gamma, balance = focus
        losses, gradient = value_and_gradient(
            distribution_balanced, **options, kappa_div_lambda=divided, gamma=gamma, balance=balance
        )
        kappa = options["kappa"] / options["lambda_"] if divided else options["kappa"]
        values, gradients = by_hand(_one(**{**options, "kappa": kappa}, gamma=gamma, balance=balance))
        self.assertAllClose(losses, values, rtol=1e-5, atol=1e-7)
        self.assertAllClose(gradient, gradients, rtol=1e-5, atol=1e-7)

    def test_defaults_are_those_of_coco_mlt_with_focus(self):
        by_default = value_and_gradient(distribution_balanced)
        named = value_and_gradient(distribution_balanced, **COCO, focal=True, gamma=2.0, balance=2.0)
        self.assertAllEqual(by_default[0], named[0])

    def test_a_clip_of_one_class_weighs_it_by_r_of_1(self):
        labels, known = np.eye(CLASSES, dtype=np.float32), np.ones((CLASSES, CLASSES), np.float32)
        losses, _ = value_and_gradient(
            distribution_balanced, labels, np.where(labels > 0, 0.0, -1e4), known, **ONLY_WEIGHTS
        )
        self.assertAllClose(losses, np.full(CLASSES, (0.1 + sigmoid(10 * (1 - 0.2))) * np.log(2) / CLASSES))

    def test_of_equally_frequent_classes_r_is_one_over_the_classes_of_a_clip(self):
        counts = ClassCounts(np.full(CLASSES, 9), 50)
        weights = _only_weights("rebalance", counts=counts)
        for row in np.flatnonzero(LABELS.any(axis=1)):
            self.assertAllClose(weights[row], KNOWN[row] * (0.1 + sigmoid(10 * (1 / LABELS[row].sum() - 0.2))), 1e-5)

    def test_of_equal_weights_without_regularization_it_is_the_cross_entropy(self):
        losses, gradient = value_and_gradient(distribution_balanced, **ONLY_WEIGHTS, alpha=0.5, beta=0.0)
        plain, plain_gradient = value_and_gradient(sigmoid_cross_entropy)
        weights = np.where(LABELS.any(axis=1), 1.0, 1.5)
        self.assertAllClose(losses, weights * plain)
        self.assertAllClose(gradient, weights[:, np.newaxis] * plain_gradient, atol=1e-6)

    def test_gamma_0_and_balance_1_are_no_focus(self):
        losses, gradient = value_and_gradient(distribution_balanced, gamma=0.0, balance=1.0)
        plain, plain_gradient = value_and_gradient(distribution_balanced, focal=False)
        self.assertAllClose(losses, plain)
        self.assertAllClose(gradient, plain_gradient)

    def test_a_class_of_half_the_clips_has_no_bias(self):
        counts = ClassCounts(np.full(CLASSES, 25), 50)
        options = {"counts": counts, "lambda_": 3.0, "weighting": "none"}
        losses, _ = value_and_gradient(distribution_balanced, kappa=5.0, **options)
        self.assertAllClose(losses, value_and_gradient(distribution_balanced, kappa=0.0, **options)[0])

    @parameterized.parameters(0.0, 10.0)
    def test_a_clip_of_no_class_has_the_weight_alpha_plus_1(self, beta):
        self.assertAllClose(_only_weights("rebalance", beta=beta, alpha=0.3)[0], np.full(CLASSES, 1.3), 1e-5)

    @parameterized.parameters(
        ("inverse", 50 / COUNTS.clips),
        ("sqrt_inverse", np.sqrt(50 / COUNTS.clips)),
        ("class_balanced", 0.1 / (1 - 0.9**COUNTS.clips)),
        ("none", np.ones(CLASSES)),
    )
    def test_other_weightings_are_of_the_class_alone(self, weighting, expected):
        self.assertAllClose(_only_weights(weighting), KNOWN * expected, 1e-5)

    def test_average_class_balanced_weights_are_of_the_classes_a_clip_has(self):
        of_class = [0.01 / (1 - 0.99**clips) for clips in COUNTS.clips]
        expected = [
            np.mean([weight for weight, has in zip(of_class, own, strict=True) if has]) if own.any() else 1
            for own in LABELS
        ]
        weights = _only_weights("class_balanced_average", beta_cb=0.99)
        self.assertAllClose(weights, KNOWN * np.array(expected)[:, np.newaxis], 1e-5)

    @parameterized.parameters("rebalance", "inverse", "sqrt_inverse", "class_balanced", "class_balanced_average")
    def test_classes_of_no_clip_and_of_all_clips_leave_it_finite(self, weighting):
        for labels in (LABELS, np.ones_like(LABELS)):
            counts = ClassCounts(np.array([50, 0, 12, 0, 25]), 50)
            for value in value_and_gradient(distribution_balanced, labels, counts=counts, weighting=weighting):
                self.assertAllInRange(value, -1e4, 1e4)

    def test_an_unknown_weighting_is_refused(self):
        with self.assertRaisesRegex(UserError, "weighting 'CB' is none of rebalance, inverse"):
            value_and_gradient(distribution_balanced, weighting="CB")


class NoisyActions2MTest(parameterized.TestCase, tf.test.TestCase):
    def _loss(self, logits, known=KNOWN):
        """L of a batch, and the factor of it."""
        weighted, plain = np.zeros(CLIPS), np.zeros(CLIPS)
        for clip, index in zip(*np.nonzero(known), strict=True):
            _, loss = _tolerant(logits[clip, index], LABELS[clip, index], index, 5.0, 0.1 / 5)
            share = 1 / known[clip].sum()
            weighted[clip] += share * _rebalanced(clip, index, 10.0, 0.2, 0.1) * loss
            plain[clip] += share * loss * (1 if LABELS[clip, index] else 5)
        return 2 * (1 - np.exp(-plain.mean())) ** 2 * weighted.mean()

    @parameterized.parameters(3.0, 1.0, 0.1)
    def test_the_mean_is_the_loss_of_the_batch_and_gradient_flows_through_the_factor(self, scale):
        logits = scale * LOGITS
        losses, gradient = value_and_gradient(distribution_balanced_na2m, logits=logits)
        self.assertEqual(losses.shape, (CLIPS,))
        self.assertAllClose(tf.reduce_mean(losses), self._loss(logits), rtol=1e-5)
        expected, step = np.zeros_like(logits), 1e-5
        for place in np.ndindex(*logits.shape):
            shift = np.zeros_like(logits)
            shift[place] = step
            expected[place] = (self._loss(logits + shift) - self._loss(logits - shift)) / (2 * step)
        self.assertAllClose(gradient / CLIPS, expected, rtol=1e-5, atol=1e-7)

    @parameterized.parameters((0.69, 0.497), (0.1, 0.018), (0.02, 7.8e-4), (0.006, 7.2e-5))
    def test_the_factor_collapses_with_the_loss(self, mean, factor):
        # A clip of one class among one: the two means differ by its weight alone.
        counts, one = ClassCounts(np.array([25]), 50), np.ones((1, 1), np.float32)
        losses, _ = value_and_gradient(distribution_balanced_na2m, one, [[-np.log(np.expm1(mean))]], one, counts=counts)
        self.assertAllClose(losses[0] / (mean * (10 + sigmoid(0.2 * 0.9))), factor, rtol=0.01)


if __name__ == "__main__":
    tf.test.main()
