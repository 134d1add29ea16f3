"""Focal loss of several labels against the formula in float64, its derivatives by central differences."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from spl_tf.losses.focal import focal
from tests.losses.multi_label_cases import LABELS, by_hand, sigmoid, value_and_gradient


class FocalTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(alpha_pos=[0.75, 0.25, 0.0], gamma=[2.0, 0.0, 0.5, 3.0])
    def test_values_and_gradients_are_those_of_the_formula(self, alpha_pos, gamma):
        def one(z, clip, index):
            p = sigmoid(z)
            if LABELS[clip, index]:
                return -alpha_pos * (1 - p) ** gamma * np.log(p)
            return -(1 - alpha_pos) * p**gamma * np.log(1 - p)

        losses, gradient = value_and_gradient(focal, alpha_pos=alpha_pos, gamma=gamma)
        values, gradients = by_hand(one)
        self.assertAllClose(losses, values, rtol=1e-5, atol=1e-7)
        self.assertAllClose(gradient, gradients, rtol=1e-5, atol=1e-7)

    def test_by_default_classes_a_clip_has_weigh_three_times_as_much(self):
        _, gradient = value_and_gradient(focal, np.array([[1.0, 0.0]], np.float32), [[0.0, 0.0]], [[1.0, 1.0]])
        self.assertAllClose(gradient[0, 0], -3 * gradient[0, 1])

    def test_without_focus_it_is_half_the_cross_entropy(self):
        losses, gradient = value_and_gradient(focal, alpha_pos=0.5, gamma=0.0)
        plain, plain_gradient = value_and_gradient(sigmoid_cross_entropy)
        self.assertAllClose(losses, plain / 2)
        self.assertAllClose(gradient, plain_gradient / 2)


if __name__ == "__main__":
    tf.test.main()
