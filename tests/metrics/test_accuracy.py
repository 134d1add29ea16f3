"""Metrics against plain loops over videos."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.metrics import accuracy
from spl_tf.metrics.video_scores import VideoScores


class AccuracyTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        generator = np.random.default_rng(1)
        # Rounded, so that there are ties.
        self.scores = np.round(generator.random((200, 6)), 1)
        self.labels = generator.integers(0, 6, 200)

    @parameterized.parameters(1, 3, 5, 6)
    def test_top_k_counts_labels_among_the_k_first_of_a_stable_sort(self, k):
        hits = 0
        for row, label in zip(self.scores, self.labels, strict=True):
            order = sorted(range(6), key=lambda c: (-row[c], c))
            hits += label in order[:k]
        self.assertAlmostEqual(accuracy.top_k_accuracy(self.scores, self.labels, k), hits / 200)

    def test_confusion_rows_are_labels_and_columns_predictions(self):
        predictions = self.scores.argmax(axis=1)
        expected = np.zeros((6, 6), int)
        for label, prediction in zip(self.labels, predictions, strict=True):
            expected[label, prediction] += 1
        confusion = accuracy.confusion_of_predictions(self.labels, predictions, 6)
        self.assertAllEqual(confusion, expected)
        per_class = accuracy.accuracy_per_class(confusion)
        self.assertAllClose(per_class, [np.mean(predictions[self.labels == c] == c) for c in range(6)])

    @parameterized.parameters(np.nan, np.inf, -np.inf)
    def test_scores_that_are_not_finite_are_no_hits_but_errors(self, broken):
        self.scores[7, 2] = broken
        for k in (1, 5, 6):
            with self.assertRaisesRegex(ValueError, "scores of row 7 are not finite"):
                accuracy.top_k_accuracy(self.scores, self.labels, k)

    @parameterized.parameters(
        (2, 1, 3, "prediction 1 is 3"), (2, 1, -1, "prediction 1 is -1"), (2, 3, 1, "label 1 is 3")
    )
    def test_a_class_out_of_range_has_no_cell(self, first, label, prediction, message):
        """Taken for an index of the 3 x 3 cells, label 1 and prediction 3 would be label 2 and prediction 0."""
        with self.assertRaisesRegex(ValueError, f"{message}, there are 3 classes"):
            accuracy.confusion_of_predictions(np.array([first, label]), np.array([first, prediction]), 3)

    def test_a_label_out_of_range_has_no_rank(self):
        with self.assertRaisesRegex(ValueError, "label 1 is -1, there are 2 classes"):
            accuracy.rank_of_label(np.array([[0.4, 0.6], [0.4, 0.6]]), np.array([0, -1]))

    def test_a_class_without_videos_has_no_accuracy(self):
        per_class = accuracy.accuracy_per_class(np.array([[0, 0], [1, 3]]))
        self.assertTrue(np.isnan(per_class[0]))
        self.assertEqual(per_class[1], 0.75)


class VideoScoresTest(tf.test.TestCase):
    def test_a_video_is_the_mean_of_all_its_views_whatever_their_order(self):
        videos = VideoScores()
        for video, label, score in [("b", 1, 0.2), ("a", 0, 0.9), ("b", 1, 0.4), ("b", 1, 0.9)]:
            videos.add(video, [label], np.array([1 - score, score]))
        self.assertEqual(videos.ids, ["b", "a"])
        self.assertAllEqual(videos.single_labels(), [1, 0])
        self.assertAllEqual(videos.relevance(2), [[False, True], [True, False]])
        self.assertAllClose(videos.means(), [[0.5, 0.5], [0.1, 0.9]])

    def test_clips_of_two_classes_under_one_video_id_are_refused(self):
        videos = VideoScores()
        videos.add("a", [0], np.zeros(2))
        with self.assertRaisesRegex(UserError, "video a has clips of classes 0 and 1"):
            videos.add("a", [1], np.zeros(2))

    def test_scores_that_are_not_finite_are_refused_under_the_video_s_name(self):
        for broken in (np.nan, np.inf):
            with self.assertRaisesRegex(UserError, "video b has scores that are not finite"):
                VideoScores().add("b", [0], np.array([0.5, broken]))

    def test_several_labels_are_no_single_one(self):
        videos = VideoScores()
        videos.add("a", [0, 2], np.zeros(3))
        videos.add("b", [], np.zeros(3))
        self.assertAllEqual(videos.relevance(3), [[True, False, True], [False, False, False]])
        with self.assertRaisesRegex(UserError, "video a has 2 classes"):
            videos.single_labels()
