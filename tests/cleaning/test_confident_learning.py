"""Confident learning: what goes to cleanlab, and what it makes of a joint that is counted by hand."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.cleaning.confident_learning import find_mistakes, require_cleanlab
from spl_tf.errors import UserError


def test_without_cleanlab_the_user_is_told_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(UserError, match=r"needs cleanlab: pip install 'spl_tf\[cleaning\]'"):
        require_cleanlab()


class FindMistakesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.filter = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed")

    def test_it_is_cleanlab_s_prune_by_noise_rate(self):
        generator = np.random.default_rng(0)
        truth = generator.integers(4, size=400)
        labels = np.where(generator.random(400) < 0.3, generator.integers(4, size=400), truth)
        powers = np.exp(generator.normal(size=(400, 4)) + 3 * np.eye(4)[truth])
        scores = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        found = find_mistakes(labels, scores)
        self.assertEqual((found.shape, found.dtype), ((400,), np.bool_))
        self.assertAllEqual(found, self.filter.find_label_issues(labels, scores, n_jobs=1))
        self.assertGreater(np.mean(found == (labels != truth)), 0.9)

    def test_as_many_are_pruned_as_the_calibrated_joint_says_those_furthest_off_first(self):
        first = np.array([0.95] * 6 + [0.05] * 2 + [0.45, 0.55, 0.6, 0.58] + [0.1] * 6)
        labels = np.repeat([0, 1], [12, 6])
        # Mean score of the own label: 0.665 and 0.9. Above them are 6 clips of label 0 for class 0 and 2 for
        # class 1, 4 are for neither: of all 12, then, 9 are right and 3 wrong, the third is the one at 0.45.
        expected = np.isin(np.arange(18), [6, 7, 8])
        self.assertAllEqual(find_mistakes(labels, np.stack([first, 1 - first], axis=1)), expected)

    def test_a_score_above_one_by_a_rounding_and_a_class_without_labels_are_taken(self):
        scores = np.float32([[1 + 1e-6, 0, 0], [0, 1, 0], [0.9, 0.1, 0], [0.1, 0.9, 0]])
        self.assertAllEqual(find_mistakes(np.array([0, 1, 0, 1]), scores), [False] * 4)


if __name__ == "__main__":
    tf.test.main()
