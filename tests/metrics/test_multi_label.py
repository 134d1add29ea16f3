"""Metrics of several labels a video against scikit-learn, and groups of classes by hand."""

import gin
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from sklearn.metrics import average_precision_score, top_k_accuracy_score

from spl_tf.errors import UserError
from spl_tf.metrics.class_groups import class_groups, means_of_groups
from spl_tf.metrics.multi_label import evaluate_multi_label
from spl_tf.metrics.video_scores import VideoScores

VIDEOS, CLASSES = 60, 8
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.random((VIDEOS, CLASSES))


def _evaluate(relevant):
    videos = VideoScores()
    for number, (row, scores) in enumerate(zip(relevant, SCORES, strict=True)):
        videos.add(str(number), np.flatnonzero(row).tolist(), scores)
    return evaluate_multi_label(videos, CLASSES)


class MultiLabelMetricsTest(parameterized.TestCase, tf.test.TestCase):
    def test_average_precisions_are_those_of_scikit_learn(self):
        relevant = RANDOM.random((VIDEOS, CLASSES)) < 0.3
        found = _evaluate(relevant)
        self.assertAllClose(
            found.per_class["average_precision"], average_precision_score(relevant, SCORES, average=None)
        )
        for average in ("macro", "micro"):
            name = {"macro": "mean_average_precision", "micro": "micro_average_precision"}[average]
            self.assertAllClose(found.metrics[name], average_precision_score(relevant, SCORES, average=average))

    def test_hits_of_one_label_are_scikit_learn_s_top_k(self):
        labels = RANDOM.integers(0, CLASSES, VIDEOS)
        found = _evaluate(np.eye(CLASSES, dtype=bool)[labels]).metrics
        for k in (1, 5):
            expected = top_k_accuracy_score(labels, SCORES, k=k, labels=np.arange(CLASSES))
            self.assertAllClose(found[f"hit_at_{k}"], expected)

    def test_a_hit_is_any_class_of_the_video(self):
        relevant = RANDOM.random((VIDEOS, CLASSES)) < 0.2  # Some videos have none and are no hit.
        expected = [
            bool({*np.flatnonzero(own)} & {*np.argsort(row)[-5:]}) for own, row in zip(relevant, SCORES, strict=True)
        ]
        self.assertAllClose(_evaluate(relevant).metrics["hit_at_5"], np.mean(expected))


class ClassGroupsTest(parameterized.TestCase, tf.test.TestCase):
    def test_means_are_of_the_classes_of_each_group_that_have_videos(self):
        precisions = np.array([0.9, 0.7, np.nan, 0.5, 0.2, np.nan])
        found = means_of_groups(precisions, [1000, 101, 101, 100, 20, 19])
        self.assertAllClose(found["mean_average_precision_many"], 0.8)
        self.assertAllClose(found["mean_average_precision_some"], 0.35)
        self.assertTrue(np.isnan(found["mean_average_precision_few"]))

    def test_every_class_is_in_one_group(self):
        gin.bind_parameter("class_groups.many", 4)
        gin.bind_parameter("class_groups.few", 5)
        groups = class_groups(np.arange(10))
        self.assertAllEqual(np.sum([*groups.values()], axis=0), np.ones(10))
        self.assertAllEqual(groups["some"], np.zeros(10, bool))
        with self.assertRaisesRegex(UserError, "few = 6 is above many = 4"):
            class_groups(np.arange(10), few=6)


if __name__ == "__main__":
    tf.test.main()
