"""Noise on purpose: exact shares and even spread."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.labels.noise import flip_uniformly

TRUTH = np.repeat([0, 1, 2, 3], [1000, 40, 3, 0])


class FlipUniformlyTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((0.0, [0, 0, 0]), (0.2, [200, 8, 1]), (0.6, [600, 24, 2]), (1.0, [1000, 40, 3]))
    def test_the_wanted_share_of_every_class_stays_right(self, share, right):
        labels = flip_uniformly(TRUTH, share, 4, np.random.default_rng(0))
        self.assertEqual([int(np.sum(labels[c == TRUTH] == c)) for c in range(3)], right)

    def test_wrong_labels_are_spread_evenly_over_the_other_classes(self):
        labels = flip_uniformly(np.full(9000, 2), 0.0, 4, np.random.default_rng(0))
        counts = np.bincount(labels, minlength=4)
        self.assertEqual(counts[2], 0)
        # 3,000 of each expected, with a deviation of 45.
        self.assertAllInRange(counts[[0, 1, 3]], 2800, 3200)

    def test_the_truth_is_left_alone_and_equal_generators_draw_alike(self):
        truth = TRUTH.copy()
        first, second = (flip_uniformly(truth, 0.5, 4, np.random.default_rng(7)) for _ in range(2))
        self.assertAllEqual(first, second)
        self.assertAllEqual(truth, TRUTH)

    @parameterized.parameters(([0, 4], 0.5, 4), ([-1], 0.5, 4), ([0], 1.5, 4), ([0], 0.5, 1))
    def test_ids_and_shares_out_of_range_are_refused(self, truth, share, num_classes):
        with self.assertRaises(ValueError):
            flip_uniformly(np.array(truth), share, num_classes, np.random.default_rng(0))


if __name__ == "__main__":
    tf.test.main()
