"""Noise on purpose: exact shares and even spread."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.labels.noise import flip_by_matrix, flip_stratified, flip_uniformly, pair_matrix, symmetric_matrix

TRUTH = np.repeat([0, 1, 2, 3], [1000, 40, 3, 0])

# Training videos of the classes of UCF101's first split, 9,537 in all.
UCF101 = (
    *(101, 82, 104, 97, 77, 112, 107, 99, 94, 112, 96, 110, 93, 76, 82, 112, 114, 97, 73, 95, 79, 99, 103, 118, 77),
    *(105, 116, 77, 86, 89, 89, 100, 100, 97, 105, 107, 100, 77, 106, 86, 89, 115, 91, 112, 86, 81, 106, 86, 105, 89),
    *(92, 90, 92, 91, 76, 97, 77, 80, 120, 110, 115, 107, 117, 77, 113, 80, 72, 109, 88, 72, 121, 72, 83, 103, 85, 101),
    *(90, 118, 98, 88, 95, 72, 79, 108, 96, 80, 82, 93, 89, 101, 72, 117, 92, 87, 93, 76, 81, 87, 95, 107, 92),
)


def chi_square(counts, expected):
    return np.sum((np.asarray(counts) - expected) ** 2 / expected)


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


class FlipStratifiedTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((10, 998), (40, 3850), (80, 7666))
    def test_ucf101_has_as_many_flips_as_the_lists_of_noisyactions2m(self, percent, total):
        truth = np.random.default_rng(0).permutation(np.repeat(np.arange(101), UCF101))
        labels = flip_stratified(truth, percent / 100, 101, seed=1)
        flipped = np.bincount(truth[labels != truth], minlength=101)
        self.assertEqual(flipped.tolist(), [-(-percent * size // 100) for size in UCF101])
        self.assertEqual(flipped.sum(), total)

    @parameterized.parameters((0.07, 100, 7), (0.55, 100, 55), (0.29, 100, 29), (1e-9, 5, 1), (0.0, 5, 0), (1.0, 5, 5))
    def test_a_share_is_the_decimal_number_it_is_written_as(self, share, size, flips):
        labels = flip_stratified(np.zeros(size, int), share, 3, seed=0)
        self.assertEqual(np.count_nonzero(labels), flips)

    def test_new_labels_are_uniform_over_the_others(self):
        labels = flip_stratified(np.full(50_000, 2), 0.8, 11, seed=5)
        counts = np.bincount(labels, minlength=11)
        self.assertEqual(counts[2], 10_000)
        # 9 degrees of freedom: above 33.7 once in 10,000 draws.
        self.assertBetween(chi_square(np.delete(counts, 2), 4_000), 0.5, 33.7)

    def test_every_place_is_as_likely_to_be_flipped(self):
        truth = np.zeros(10, int)
        hits = sum((flip_stratified(truth, 0.25, 4, seed=seed) != 0).astype(int) for seed in range(2_000))
        self.assertEqual(hits.sum(), 3 * 2_000)
        self.assertLess(chi_square(hits, 600), 33.7)

    def test_more_noise_of_one_seed_contains_the_less(self):
        truth = np.repeat(np.arange(5), 200)
        some, most = (flip_stratified(truth, share, 5, seed=3) for share in (0.4, 0.8))
        self.assertAllEqual(most[some != truth], some[some != truth])

    def test_a_class_is_drawn_whatever_the_other_classes_are(self):
        alone = flip_stratified(np.full(50, 1), 0.5, 4, seed=2)
        mixed = flip_stratified(np.concatenate([np.zeros(20, int), np.full(50, 1), np.full(7, 3)]), 0.5, 4, seed=2)
        self.assertAllEqual(mixed[20:70], alone)

    @parameterized.parameters(([0, 4], 0.5, 4), ([0], 1.5, 4), ([0], float("nan"), 4), ([0], 0.5, 1))
    def test_ids_and_shares_out_of_range_are_refused(self, truth, share, num_classes):
        with self.assertRaises(ValueError):
            flip_stratified(np.array(truth), share, num_classes, seed=0)


class FlipByMatrixTest(parameterized.TestCase, tf.test.TestCase):
    def test_labels_occur_as_often_as_the_rows_say(self):
        matrix = np.array([[0.5, 0.3, 0.0, 0.2], [0.0, 1.0, 0.0, 0.0], [0.0, 0.6, 0.0, 0.4], [0.1, 0.1, 0.1, 0.7]])
        truth = np.tile(np.arange(4), 20_000)
        labels = flip_by_matrix(truth, matrix, seed=4)
        for class_id, row in enumerate(matrix):
            counts = np.bincount(labels[truth == class_id], minlength=4)
            self.assertAllEqual(counts[row == 0], np.zeros(np.sum(row == 0)))
            # At most 3 degrees of freedom: above 21.1 once in 10,000 draws.
            self.assertLess(chi_square(counts[row > 0], 20_000 * row[row > 0]), 21.1)

    def test_symmetric_noise_flips_each_label_on_its_own(self):
        truth = np.zeros(400, int)
        flips = [np.count_nonzero(flip_by_matrix(truth, symmetric_matrix(3, 0.3), seed)) for seed in range(500)]
        # Binomial: mean 120, variance 84.
        self.assertAllClose(np.mean(flips), 120, atol=2)
        self.assertAllClose(np.var(flips), 84, rtol=0.25)
        self.assertAllClose(symmetric_matrix(3, 0.3), [[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]])

    def test_pairs_have_one_wrong_label(self):
        matrix = pair_matrix(4, 0.25, [1, 2, 2, 0])
        self.assertAllClose(matrix, [[0.75, 0.25, 0, 0], [0, 0.75, 0.25, 0], [0, 0, 1, 0], [0.25, 0, 0, 0.75]])
        labels = flip_by_matrix(np.full(8_000, 3), matrix, seed=0)
        self.assertAllInRange(np.bincount(labels)[[0, 3]], 1_800, 6_200)
        self.assertEqual(np.bincount(labels)[[0, 3]].sum(), 8_000)

    def test_more_noise_of_one_seed_contains_the_less(self):
        truth = np.repeat(np.arange(5), 200)
        some, most = (flip_by_matrix(truth, symmetric_matrix(5, share), seed=3) for share in (0.4, 0.8))
        self.assertAllEqual(most[some != truth], some[some != truth])


if __name__ == "__main__":
    tf.test.main()
