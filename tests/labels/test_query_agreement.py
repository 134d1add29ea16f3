import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from scipy.stats import hypergeom

from spl_tf.labels.query_agreement import query_agreement


class AgreementTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(0, 1, 2)
    def test_p_values_are_fishers_exact_test(self, seed):
        confusion = np.random.default_rng(seed).integers(0, 9, (4, 4))
        total = int(confusion.sum())
        for index, row in enumerate(query_agreement(confusion, list("abcd"))):
            clips, predicted = int(confusion[index].sum()), int(confusion[:, index].sum())
            tail = sum(
                math.comb(predicted, k) * math.comb(total - predicted, clips - k)
                for k in range(int(confusion[index, index]), min(clips, predicted) + 1)
            )
            self.assertAlmostEqual(row.p_value, tail / math.comb(total, clips), places=10)
            self.assertEqual(row.flagged, row.p_value > 0.05)

    @parameterized.product(seed=(0, 1, 2), clips_of_cell=(10, 10_000, 10_000_000))
    def test_p_values_are_scipys_whatever_the_counts(self, seed, clips_of_cell):
        """Around chance, where the flag is decided."""
        spread = int(3 * clips_of_cell**0.5)
        confusion = clips_of_cell + np.random.default_rng(seed).integers(-spread, spread + 1, (3, 3))
        for index, row in enumerate(query_agreement(confusion, list("abc"))):
            clips, predicted = confusion[index].sum(), confusion[:, index].sum()
            law = hypergeom(confusion.sum(), predicted, clips)
            self.assertAllClose(row.p_value, law.sf(confusion[index, index] - 1), rtol=2e-6, atol=0)

    def test_chance_is_the_share_among_the_clips_of_other_queries(self):
        row = query_agreement(np.array([[30, 10], [25, 75]]), ["a", "b"])[0]
        self.assertEqual((row.clips, row.agreement, row.chance), (40, 0.75, 0.25))

    def test_a_query_that_says_nothing_is_flagged_and_a_weak_but_real_one_is_not(self):
        # Query 2 finds what all find; query 1 is right in 8 % of its clips, others in 2 %.
        confusion = np.array([[700, 20, 40], [560, 80, 40], [710, 20, 40]]) * 100
        self.assertEqual([row.flagged for row in query_agreement(confusion, list("abc"))], [False, False, True])

    def test_counts_of_a_hundred_million_clips_agree_with_the_normal_law(self):
        for extra in (0, 5_000, 20_000, -20_000, -20_000_000):
            confusion = np.full((2, 2), 25_000_000) + np.array([[extra, -extra], [0, 0]])
            row = query_agreement(confusion, ["a", "b"])[0]
            pooled = confusion[:, 0].sum() / 1e8
            deviation = math.sqrt(pooled * (1 - pooled) * 2 / 5e7)
            normal = 0.5 * math.erfc((row.agreement - row.chance) / deviation / math.sqrt(2))
            self.assertAllClose(row.p_value, normal, rtol=1e-3)

    def test_far_from_chance_the_p_value_is_an_end_of_the_scale(self):
        confusion = np.array([[9_000, 1_000], [1_000, 9_000]])
        self.assertLess(query_agreement(confusion, ["a", "b"])[0].p_value, 1e-300)
        self.assertAlmostEqual(query_agreement(confusion[::-1], ["a", "b"])[0].p_value, 1.0)

    def test_a_query_without_clips_and_a_lone_query_are_flagged(self):
        empty = query_agreement(np.array([[5, 0], [0, 0]]), ["a", "b"])
        self.assertTrue(empty[1].flagged)
        self.assertTrue(math.isnan(empty[1].agreement))
        self.assertTrue(empty[0].flagged)
        self.assertTrue(math.isnan(empty[0].chance))


if __name__ == "__main__":
    tf.test.main()
