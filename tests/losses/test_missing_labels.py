"""Losses for labels that are missing, SPLC and large-loss rejection, against loops in float64."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from spl_tf.losses.large_loss_rejection import large_loss_rejection
from spl_tf.losses.splc import splc
from tests.losses.multi_label_cases import CLASSES, CLIPS, KNOWN, LABELS, LOGITS, by_hand, sigmoid, value_and_gradient


class SplcTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(epoch=[0.99, 1.0, 7.5], tau=[0.6, 0.9], focus=[(1.0, 2.0), (0.0, 0.0), (0.5, 0.5)])
    def test_values_and_gradients_are_those_of_the_formulas(self, epoch, tau, focus):
        margin, gamma = focus
        corrected = []

        def one(z, clip, index):
            sure = sigmoid(LOGITS[clip, index]) > tau and epoch >= 1
            if LABELS[clip, index]:
                p = sigmoid(z - margin)
            elif sure:
                corrected.append((clip, index))
                p = sigmoid(z)
            else:
                return -(sigmoid(z) ** gamma) * np.log(1 - sigmoid(z))
            return -((1 - p) ** gamma) * np.log(p)

        losses, gradient = value_and_gradient(splc, epoch=epoch, tau=tau, margin=margin, gamma=gamma)
        values, gradients = by_hand(one)
        self.assertAllClose(losses, values, rtol=1e-5, atol=1e-7)
        self.assertAllClose(gradient, gradients, rtol=1e-5, atol=1e-7)
        self.assertEqual(bool(corrected), epoch >= 1)

    def test_the_first_epoch_to_correct_is_an_option(self):
        early, _ = value_and_gradient(splc, epoch=0.0, start_epoch=0.0)
        self.assertAllEqual(early, value_and_gradient(splc, epoch=3.0)[0])
        self.assertNotAllClose(early, value_and_gradient(splc, epoch=3.0, start_epoch=4.0)[0])

    def test_without_focus_and_surety_it_is_the_cross_entropy(self):
        losses, gradient = value_and_gradient(splc, epoch=9.0, tau=1.0, margin=0.0, gamma=0.0)
        plain, plain_gradient = value_and_gradient(sigmoid_cross_entropy)
        self.assertAllClose(losses, plain)
        self.assertAllClose(gradient, plain_gradient)


class LargeLossRejectionTest(parameterized.TestCase, tf.test.TestCase):
    def _kept(self, share):
        """Pairs that are left of the known ones when the largest losses of negatives are gone."""
        pairs = [(clip, index) for clip in range(CLIPS) for index in range(CLASSES) if KNOWN[clip, index]]
        lacked = sorted((pair for pair in pairs if not LABELS[pair]), key=lambda pair: LOGITS[pair])
        rejected = lacked[len(lacked) - min(math.ceil(round(len(pairs) * share, 9)), len(lacked)) :]
        return {*pairs} - {*rejected}, len(rejected)

    @parameterized.product(epoch=[0.9, 1.0, 2.99, 10.0], growth=[0.02, 0.1])
    def test_values_and_gradients_are_those_of_the_losses_that_are_left(self, epoch, growth):
        kept, number = self._kept(growth * math.floor(epoch))

        def one(z, clip, index):
            if (clip, index) not in kept:
                return 0.0
            return -np.log(sigmoid(z if LABELS[clip, index] else -z))

        losses, gradient = value_and_gradient(large_loss_rejection, epoch=epoch, growth=growth)
        values, gradients = by_hand(one)
        self.assertAllClose(losses, values, rtol=1e-5, atol=1e-7)
        self.assertAllClose(gradient, gradients, rtol=1e-5, atol=1e-7)
        self.assertEqual(number > 0, epoch >= 1)

    def test_classes_a_clip_has_are_never_rejected(self):
        losses, _ = value_and_gradient(large_loss_rejection, epoch=1.0, growth=1.0)
        values, _ = by_hand(lambda z, clip, index: -np.log(sigmoid(z)) if LABELS[clip, index] else 0.0)
        self.assertAllClose(losses, values)

    def test_a_share_that_is_whole_is_not_rounded_up(self):
        # 0.1 * 3 is 0.30000000000000004.
        logits = np.arange(10.0)[np.newaxis]
        zeros, ones = np.zeros((1, 10), np.float32), np.ones((1, 10), np.float32)
        _, gradient = value_and_gradient(large_loss_rejection, zeros, logits, ones, epoch=3.0, growth=0.1)
        self.assertAllEqual(gradient[0] == 0.0, [False] * 7 + [True] * 3)


if __name__ == "__main__":
    tf.test.main()
