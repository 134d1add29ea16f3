"""Folds of groups of clips: none parted, every class alike."""

import numpy as np
from absl.testing import absltest, parameterized

from spl_tf.errors import UserError
from spl_tf.labels.folds import deal_folds


class FoldsTest(parameterized.TestCase):
    @parameterized.product(num_folds=[2, 3, 5], seed=[0, 1])
    def test_groups_stay_whole_and_classes_are_dealt_evenly(self, num_folds, seed):
        rng = np.random.default_rng(0)
        class_of_group = rng.permutation(np.repeat([0, 1, 2], [7, 10, 2]))
        groups = rng.integers(19, size=400)
        groups[:19] = np.arange(19)
        labels = class_of_group[groups]
        folds = deal_folds(labels, [f"group {group}" for group in groups], num_folds, list("abc"), seed)
        fold_of_group = {}
        for group, fold in zip(groups.tolist(), folds.tolist(), strict=True):
            self.assertEqual(fold_of_group.setdefault(group, fold), fold)
        for class_id in range(3):
            counts = [0] * num_folds
            for group, fold in fold_of_group.items():
                counts[fold] += class_of_group[group] == class_id
            self.assertLessEqual(max(counts) - min(counts), 1)
        totals = np.bincount(list(fold_of_group.values()), minlength=num_folds)
        self.assertLessEqual(totals.max() - totals.min(), 1)

    def test_another_seed_deals_otherwise_and_the_same_one_alike(self):
        labels, groups = np.zeros(50, int), [str(number) for number in range(50)]
        first, again, other = (deal_folds(labels, groups, 5, ["a"], seed).tolist() for seed in (0, 0, 1))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_a_class_of_one_group_is_refused(self):
        with self.assertRaisesRegex(UserError, "class 'b' has 1 groups of clean videos: give two or more"):
            deal_folds(np.array([0, 0, 1, 1]), ["u", "v", "w", "w"], 2, list("ab"), 0)


if __name__ == "__main__":
    absltest.main()
