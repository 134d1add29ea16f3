"""Noise on purpose: exact shares, even spread, and the confusions of a real data set."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.labels.noise import clothing1m_transition, flip_by_transition, flip_uniformly

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


CLOTHES = (
    "T-Shirt",
    "Shirt",
    "Knitwear",
    "Chiffon",
    "Sweater",
    "Hoodie",
    "Windbreaker",
    "Jacket",
    "Down Coat",
    "Suit",
    "Shawl",
    "Dress",
    "Vest",
    "Underwear",
)


class TransitionNoiseTest(parameterized.TestCase, tf.test.TestCase):
    def test_the_rows_of_clothing1m_are_distributions_with_the_published_diagonal(self):
        matrix = clothing1m_transition()
        self.assertEqual((matrix.shape, matrix.dtype), ((14, 14), np.float64))
        self.assertAllClose(matrix.sum(axis=1), np.ones(14))
        self.assertAllInRange(matrix, 1e-4, 1)
        right = [63, 75, 42, 46, 11, 67, 56, 51, 52, 75, 92, 73, 46, 76]
        self.assertAllClose(100 * np.diagonal(matrix), right)

    def test_three_of_five_labels_of_clothing1m_are_right(self):
        shares = np.array([7.5, 7.8, 3.8, 10.8, 5.5, 7.9, 5.7, 3.1, 8.4, 8.9, 7.3, 7.4, 7.0, 9.1])
        accuracy = shares / shares.sum() @ np.diagonal(clothing1m_transition())
        self.assertAllClose(accuracy, 0.615, atol=0.006)

    @parameterized.parameters(
        ("Sweater", "Knitwear", 62),
        ("Knitwear", "Sweater", 26),
        ("Chiffon", "Shirt", 20),
        ("Chiffon", "T-Shirt", 15),
        ("Chiffon", "Dress", 12),
        ("Hoodie", "Jacket", 16),
        ("Windbreaker", "Down Coat", 20),
        ("Windbreaker", "Jacket", 8),
        ("Jacket", "Windbreaker", 26),
        ("Down Coat", "Windbreaker", 17),
        ("Down Coat", "Jacket", 13),
        ("Down Coat", "Vest", 11),
        ("Suit", "Windbreaker", 13),
        ("Vest", "Dress", 27),
        ("Knitwear", "T-Shirt", 13),
        ("Sweater", "T-Shirt", 14),
        ("Vest", "T-Shirt", 9),
        ("Underwear", "Vest", 10),
    )
    def test_clothes_are_confused_as_published(self, true, noisy, percent):
        self.assertAlmostEqual(100 * clothing1m_transition()[CLOTHES.index(true), CLOTHES.index(noisy)], percent)

    def test_what_the_figure_leaves_of_a_class_is_spread_over_its_blanks(self):
        # The column of Suit shows 13, 4, 75 and 3: 5 % over the ten others.
        row = 100 * clothing1m_transition()[CLOTHES.index("Suit")]
        self.assertAllClose(row[[6, 7, 9, 11]], [13, 4, 75, 3])
        self.assertAllClose(np.delete(row, [6, 7, 9, 11]), np.full(10, 0.5))

    def test_labels_are_drawn_as_often_as_the_matrix_says(self):
        matrix, clips = clothing1m_transition(), 20_000
        truth = np.tile(np.arange(14), clips)
        labels = flip_by_transition(truth, matrix, np.random.default_rng(0))
        self.assertEqual((labels.shape, labels.dtype), ((14 * clips,), np.int32))
        counts = np.bincount(14 * truth + labels, minlength=196).reshape(14, 14)
        deviation = np.sqrt(clips * matrix * (1 - matrix))
        self.assertAllInRange((counts - clips * matrix) / deviation, -4.5, 4.5)

    def test_a_certain_flip_is_made_and_the_truth_is_left_alone(self):
        truth = np.array([2, 0, 1, 1, 2])
        cycle = np.roll(np.eye(3), 1, axis=1)
        self.assertAllEqual(flip_by_transition(truth, cycle, np.random.default_rng(0)), [0, 1, 2, 2, 0])
        self.assertAllEqual(truth, [2, 0, 1, 1, 2])

    @parameterized.parameters(
        ([3], np.eye(3)), ([-1], np.eye(3)), ([0], np.eye(3)[:2]), ([0], np.eye(3) / 2), ([0], [[1.5, -0.5], [0, 1]])
    )
    def test_ids_out_of_range_and_rows_that_are_no_distributions_are_refused(self, truth, transition):
        with self.assertRaises(ValueError):
            flip_by_transition(np.array(truth), transition, np.random.default_rng(0))


if __name__ == "__main__":
    tf.test.main()
