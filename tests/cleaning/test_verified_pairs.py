"""Which pairs CleanNet learns from."""

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.cleaning.verified_pairs import make_pairs, web_labels_of
from spl_tf.errors import UserError

CONFUSION = np.array([[50, 8, 0, 2], [9, 60, 0, 0], [4, 0, 70, 0], [0, 0, 0, 0]])  # No clip was found for class 3.


def as_tuples(pairs):
    return list(zip(pairs.rows.tolist(), pairs.classes.tolist(), pairs.right.tolist(), strict=True))


class VerifiedPairsTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, make_features):
        self.make_features = make_features

    def test_a_clip_of_both_sets_is_found_by_its_id(self):
        clean = self.make_features(np.zeros((3, 1)), [0, 1, 2], clip_ids=["a@0", "b@0", "c@0"])
        web = self.make_features(np.zeros((4, 1)), [2, 1, 0, 1], clip_ids=["x@0", "c@0", "a@500", "a@0"], sizes=(1, 2))
        self.assertAllEqual(web_labels_of(clean, web), [1, -1, 1])

    def test_a_clip_of_both_sets_gives_the_pair_of_its_noisy_label(self):
        pairs = make_pairs(np.array([0, 1, 2]), np.array([0, 0, 1]), CONFUSION, np.random.default_rng(0))
        self.assertEqual(as_tuples(pairs), [(0, 0, True), (1, 0, False), (2, 1, False)])
        self.assertEqual(pairs.both_labelled, 3)

    def test_any_other_clip_gives_one_right_and_one_wrong_pair(self):
        truth = np.arange(30) % 3
        pairs = make_pairs(truth, np.full(30, -1), CONFUSION, np.random.default_rng(0))
        self.assertEqual(as_tuples(pairs)[:30], [(row, row % 3, True) for row in range(30)])
        wrong = as_tuples(pairs)[30:]
        self.assertEqual([row for row, _, _ in wrong], list(range(30)))
        for row, class_id, right in wrong:
            self.assertFalse(right)
            self.assertNotEqual(class_id, truth[row])
            self.assertNotEqual(class_id, 3)
        self.assertEqual(pairs.both_labelled, 0)

    def test_wrong_classes_are_drawn_as_often_as_the_web_set_mistakes_them(self):
        clips = 20_000
        pairs = make_pairs(np.zeros(clips, int), np.full(clips, -1), CONFUSION, np.random.default_rng(0))
        counts = np.bincount(pairs.classes[~pairs.right], minlength=4)
        # Clips seen as class 0 were found by 1 in 9 cases and by 2 in 4, each raised by one.
        self.assertEqual(counts[[0, 3]].tolist(), [0, 0])
        self.assertAllClose(counts[1] / clips, 10 / 15, atol=4 * np.sqrt(2 / 9 / clips))

    def test_a_class_without_web_clips_is_in_no_pair_but_its_clips_are_wrong_for_others(self):
        pairs = make_pairs(np.array([3, 3]), np.array([-1, -1]), CONFUSION, np.random.default_rng(0))
        self.assertEqual(pairs.rows.tolist(), [0, 1])
        self.assertFalse(pairs.right.any())
        self.assertAllInRange(pairs.classes, 0, 2)

    def test_one_class_alone_is_refused(self):
        with self.assertRaisesRegex(UserError, "fewer than two classes"):
            make_pairs(np.array([0]), np.array([-1]), np.diag([5, 0, 0]), np.random.default_rng(0))

    def test_equal_generators_draw_alike(self):
        first, second, other = (
            make_pairs(np.arange(60) % 3, np.full(60, -1), CONFUSION, np.random.default_rng(seed)) for seed in (1, 1, 2)
        )
        self.assertAllEqual(first.classes, second.classes)
        self.assertNotAllEqual(first.classes, other.classes)


if __name__ == "__main__":
    tf.test.main()
