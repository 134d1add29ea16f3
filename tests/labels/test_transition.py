"""Transition matrices: of a classifier whose posterior is known, and counted."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.transition import count_transition, estimate_transition

TRANSITION = np.array([[0.7, 0.1, 0.2], [0.05, 0.9, 0.05], [0.3, 0.1, 0.6]])


def _noisy_posterior(clips=400):
    """Softmax scores of the perfect network for noisy labels; the first clip of each class is surely of it."""
    clean = np.random.default_rng(0).dirichlet([0.5] * 3, clips)
    clean[:3] = np.eye(3)
    return clean @ TRANSITION


class TransitionTest(parameterized.TestCase, tf.test.TestCase):
    def test_the_surest_clips_of_a_perfect_network_give_the_matrix(self):
        estimate = estimate_transition(_noisy_posterior())
        self.assertEqual(estimate.dtype, np.float64)
        self.assertAllClose(estimate, TRANSITION, rtol=1e-12)

    def test_a_percentile_takes_the_highest_score_below_it(self):
        scores = _noisy_posterior().astype(np.float32)
        before = scores.copy()
        estimate = estimate_transition(scores, percentile=97)
        self.assertAllEqual(scores, before)  # The authors' code changes its scores from class to class.
        for i in range(3):
            # Of 400 clips 397 and above are passed over: position ceil(0.97 * 399) from 0 is the limit.
            pick = np.argsort(scores[:, i])[387]
            self.assertAllClose(estimate[i], scores[pick] / scores[pick].sum(dtype=np.float64), rtol=1e-6)

    def test_outliers_don_t_decide_with_a_percentile(self):
        scores = np.concatenate([_noisy_posterior(), np.eye(3)])
        self.assertAllClose(estimate_transition(scores), np.eye(3))
        self.assertAllClose(estimate_transition(scores, percentile=97), TRANSITION, atol=0.1)

    def test_clips_that_score_alike_have_none_below(self):
        scores = np.tile([0.5, 0.25, 0.25], (4, 1))
        self.assertAllEqual(estimate_transition(scores, percentile=97), scores[:3])
        # 97 % share the limit itself; the outlier is still passed over.
        scores = np.tile([0.5, 0.25, 0.25], (200, 1))
        scores[0] = [0.9, 0.05, 0.05]
        self.assertAllEqual(estimate_transition(scores, percentile=97)[0], [0.5, 0.25, 0.25])

    @parameterized.parameters(np.float16, np.float32)
    def test_rows_sum_to_one_whatever_the_precision_of_the_scores(self, dtype):
        for percentile in (None, 97):
            estimate = estimate_transition(_noisy_posterior().astype(dtype), percentile)
            self.assertAllClose(estimate.sum(axis=1), np.ones(3), rtol=1e-12)
            self.assertAllClose(estimate, TRANSITION, atol=0.1)

    @parameterized.parameters(
        ([[2.0, -1.0]], None), ([[0.2, 0.2]], None), ([[np.nan, 1.0]], None), ([0.5, 0.5], None), ([[0.5, 0.5]], 0)
    )
    def test_what_are_no_scores_is_refused(self, scores, percentile):
        with self.assertRaises(ValueError):
            estimate_transition(np.array(scores), percentile)

    def test_counts_become_shares_of_each_clean_class(self):
        clean = np.repeat([0, 1, 2], [10, 4, 5])
        noisy = np.array([0] * 7 + [2] * 3 + [1] * 4 + [0, 0, 0, 0, 2])
        matrix = count_transition(count_pairs(clean, noisy, 3), ("a", "b", "c"))
        self.assertEqual(matrix.dtype, np.float64)
        self.assertAllClose(matrix, [[0.7, 0, 0.3], [0, 1, 0], [0.8, 0, 0.2]], rtol=1e-12)

    def test_a_class_without_a_clean_clip_is_named(self):
        with self.assertRaisesRegex(UserError, "class 'b' has no clip"):
            count_transition(np.array([[3, 1], [0, 0]]), ("a", "b"))


if __name__ == "__main__":
    tf.test.main()
