"""Asymmetric loss against the formulas in float64, its derivatives by central differences."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.asymmetric import asymmetric
from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from tests.losses.multi_label_cases import CLASSES, CLIPS, KNOWN, LABELS, LOGITS, by_hand, sigmoid, value_and_gradient


def _one(gamma_neg, gamma_pos, clip, at=None):
    """The loss of a class; its powers at the logits `at`, None for those of the rest."""

    def one(z, row, index):
        p = sigmoid(z)
        in_power = p if at is None else sigmoid(at[row, index])
        if LABELS[row, index]:
            return -((1 - in_power) ** gamma_pos) * np.log(p)
        return -(max(in_power - clip, 0) ** gamma_neg) * np.log(1 - max(p - clip, 0))

    return one


class AsymmetricTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(
        gammas=[(4.0, 1.0), (2.0, 2.0), (0.5, 0.0), (0.0, 0.0)], clip=[0.05, 0.0, 0.3], focus_gradient=[False, True]
    )
    def test_values_and_gradients_are_those_of_the_formulas(self, gammas, clip, focus_gradient):
        losses, gradient = value_and_gradient(
            asymmetric, gamma_neg=gammas[0], gamma_pos=gammas[1], clip=clip, focus_gradient=focus_gradient
        )
        values, gradients = by_hand(_one(*gammas, clip, None if focus_gradient else LOGITS))
        self.assertAllClose(losses, values, rtol=1e-5, atol=1e-6)
        self.assertAllClose(gradient, gradients, rtol=1e-5, atol=1e-6)

    def test_negatives_within_the_margin_count_nothing(self):
        logits = np.full((CLIPS, CLASSES), np.log(0.04 / 0.96))
        losses, gradient = value_and_gradient(asymmetric, labels=np.zeros_like(LABELS), logits=logits)
        self.assertAllEqual(losses, np.zeros(CLIPS))
        self.assertAllEqual(gradient, np.zeros_like(LABELS))

    def test_without_powers_and_margin_it_is_the_cross_entropy(self):
        losses, gradient = value_and_gradient(asymmetric, gamma_neg=0.0, gamma_pos=0.0, clip=0.0)
        plain, plain_gradient = value_and_gradient(sigmoid_cross_entropy)
        self.assertAllClose(losses, plain)
        self.assertAllClose(gradient, plain_gradient, atol=1e-6)

    def test_easy_negatives_keep_their_digits_without_a_margin(self):
        labels, known = np.zeros_like(LABELS), np.ones_like(KNOWN)
        options = {"gamma_neg": 0.0, "clip": 0.0}
        losses, gradient = value_and_gradient(asymmetric, labels, np.full_like(LOGITS, -17.5), known, **options)
        self.assertAllClose(losses, np.full(CLIPS, sigmoid(-17.5)), rtol=1e-5, atol=0)
        self.assertAllClose(gradient, np.full_like(LOGITS, sigmoid(-17.5) / CLASSES), rtol=1e-5, atol=0)

    def test_logarithms_stop_where_the_authors_code_stops_them(self):
        labels, known = np.ones_like(LABELS), np.ones_like(KNOWN)
        losses, gradient = value_and_gradient(asymmetric, labels, np.full_like(LOGITS, -30.0), known)
        self.assertAllClose(losses, np.full(CLIPS, -np.log(1e-8)))
        self.assertAllClose(gradient, np.zeros_like(LABELS))


if __name__ == "__main__":
    tf.test.main()
