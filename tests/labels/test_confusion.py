import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.labels.confusion import count_pairs, noise_ratio


class ConfusionTest(parameterized.TestCase, tf.test.TestCase):
    def test_rows_are_weak_labels_and_columns_predictions(self):
        rng = np.random.default_rng(0)
        weak, teacher = rng.integers(5, size=400, dtype=np.int32), rng.integers(5, size=400, dtype=np.int32)
        expected = np.zeros((5, 5), int)
        for pair in zip(weak, teacher, strict=True):
            expected[pair] += 1
        confusion = count_pairs(weak, teacher, 5)
        self.assertEqual(confusion.dtype, np.int64)
        self.assertAllEqual(confusion, expected)

    def test_classes_nobody_met_are_counted_as_zero(self):
        self.assertAllEqual(count_pairs(np.array([0]), np.array([1]), 3), [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
        self.assertAllEqual(count_pairs(np.array([], int), np.array([], int), 2), np.zeros((2, 2)))

    @parameterized.parameters((-1, 0), (0, -1), (3, 0), (0, 3))
    def test_ids_outside_the_classes_are_refused(self, weak, teacher):
        # (0, 3) would be a cell of the matrix, the wrong one.
        with self.assertRaises(ValueError):
            count_pairs(np.array([0, weak]), np.array([0, teacher]), 3)

    def test_noise_ratio_is_the_off_diagonal_share(self):
        # The paper's 58.9 % of WebK200-147K-V.
        self.assertAlmostEqual(noise_ratio(np.array([[211, 300], [289, 200]])), 0.589)
        self.assertTrue(math.isnan(noise_ratio(np.zeros((2, 2), int))))


if __name__ == "__main__":
    tf.test.main()
