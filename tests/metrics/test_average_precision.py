"""Average precision against scikit-learn and by hand."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from sklearn.metrics import average_precision_score

from spl_tf.metrics.average_precision import average_precision, average_precisions


class AveragePrecisionTest(parameterized.TestCase, tf.test.TestCase):
    def test_by_hand(self):
        """Hits at places 1 and 3 of 4: (1/1 + 2/3) / 2."""
        self.assertAllClose(average_precision(np.array([0.2, 0.9, 0.5, 0.7]), np.array([0, 1, 1, 0])), (1 + 2 / 3) / 2)

    @parameterized.product(seed=(0, 1, 2, 3, 4), levels=(3, 20, 10**9))
    def test_equals_scikit_learn_with_and_without_equal_scores(self, seed, levels):
        generator = np.random.default_rng(seed)
        scores = generator.integers(levels, size=60) / levels
        relevant = generator.random(60) < 0.3
        self.assertAllClose(average_precision(scores, relevant), average_precision_score(relevant, scores))

    @parameterized.parameters(np.nan, np.inf, -np.inf)
    def test_scores_that_are_not_finite_are_refused_as_by_scikit_learn(self, broken):
        scores, relevant = np.array([0.2, broken, 0.5]), np.array([0, 1, 1])
        for measure in (average_precision, lambda scores, relevant: average_precision_score(relevant, scores)):
            with self.assertRaises(ValueError):
                measure(scores, relevant)

    def test_a_class_without_videos_has_none(self):
        scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
        self.assertAllClose(average_precisions(scores, np.eye(3, dtype=bool)[[0, 1, 0]]), [1.0, 1.0, np.nan])


if __name__ == "__main__":
    tf.test.main()
