"""MoPro's correction against a loop over clips, from side-cars to side-cars."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import assign
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.labellers import labeller
from tests.labels.top_scores import CLASSES, TopScoresCase, read_columns, write_predictions


def by_hand(weak, scores, threshold):
    """One clip at a time: its query and the probability of each class."""
    best = max(range(len(scores)), key=lambda index: scores[index])
    if scores[best] > threshold:
        return best
    return weak if scores[weak] > 1 / len(scores) else -1


class MoproTest(TopScoresCase):
    @parameterized.product(k=[1, 2, 5], threshold=[0.0, 0.6, 0.8, 1.0])
    def test_labels_equal_a_loop_over_clips(self, k, threshold):
        stored = write_predictions(self.predictions, CLASSES, self.weak, self.scores, k, [120, 0, 180])
        summary = assign.assign_labels(self.predictions, "mopro", self.labels, threshold=threshold)
        expected = [by_hand(weak, scores, threshold) for weak, scores in zip(self.weak, stored.tolist(), strict=True)]
        labels, weights = read_columns(self.labels, "label", "weight")
        self.assertEqual(labels, expected)
        self.assertAllEqual(weights, np.array(expected) >= 0)
        kept = [label for label in expected if label >= 0]
        self.assertEqual((summary["kept"], summary["counts"]), (len(kept), np.bincount(kept, minlength=5).tolist()))
        self.assertEqual((summary["target"], summary["merged"]), ("single", 0))
        self.assertAlmostEqual(summary["samples_cover_ratio"], len(kept) / 300)

    def test_all_scores_but_one_are_as_good_as_all(self):
        """The least of N probabilities is at most 1 / N."""
        labels = []
        for k in (4, 5):
            write_predictions(self.predictions, CLASSES, self.weak, self.scores, k, [300])
            assign.assign_labels(self.predictions, "mopro", self.labels)
            labels.append(read_columns(self.labels, "label")[0])
        self.assertEqual(*labels)

    def test_a_query_as_likely_as_by_chance_is_out(self):
        pairs = Pairs(*np.int32([[1], [0]]), np.float32([0.5]), np.int32([[0, 1]]), np.float32([[0.5, 0.25]]))
        self.assertAllEqual(labeller("mopro").fit(np.eye(4), list("abcd")).targets(pairs).labels, [-1])
        self.assertAllEqual(labeller("mopro").fit(np.eye(5), CLASSES).targets(pairs).labels, [1])

    @parameterized.parameters("confidence", "top_classes", "top_scores")
    def test_a_column_that_was_not_read_is_named(self, missing):
        columns = {"confidence": np.float32([0.5]), "top_classes": np.int32([[0, 1]])}
        columns |= {"top_scores": np.float32([[0.5, 0.25]]), missing: None}
        pairs = Pairs(*np.int32([[1], [0]]), **columns).take(np.array([True]))
        with self.assertRaisesRegex(ValueError, f"{missing} was not read"):
            labeller("mopro").fit(np.eye(5), CLASSES).targets(pairs)

    def test_clips_below_the_confidence_are_discarded(self):
        write_predictions(self.predictions, CLASSES, self.weak, self.scores, 5, [300])
        summary = assign.assign_labels(self.predictions, "mopro", self.labels, min_confidence=0.9)
        sure = self.scores.max(axis=1) >= np.float32(0.9)
        self.assertAllEqual(read_columns(self.labels, "label")[0], np.where(sure, self.scores.argmax(axis=1), -1))
        self.assertEqual(summary["kept"], sure.sum())

    @parameterized.parameters(-0.1, 1.5, float("nan"))
    def test_a_threshold_that_is_no_probability_is_refused(self, threshold):
        with self.assertRaisesRegex(UserError, f"mopro: threshold is {threshold}, a probability: choose"):
            labeller("mopro", threshold=threshold).fit(np.eye(5), CLASSES)

    @parameterized.parameters("mopro", "dawid_skene")
    def test_predictions_without_best_scores_are_refused_before_anything_is_written(self, strategy):
        write_predictions(self.predictions, CLASSES, self.weak, self.scores, 3, [250, 50])
        path = self.predictions / "web-00001-of-00002.parquet"
        pq.write_table(pq.read_table(path).drop_columns("top_scores"), path)
        message = f"00001-of-00002.parquet has no column 'top_scores' of type list<.*: {strategy} needs the teacher's "
        with self.assertRaisesRegex(UserError, message + "best classes .*run spl_tf.predict again"):
            assign.assign_labels(self.predictions, strategy, self.labels)
        self.assertFalse(self.labels.exists())

    @parameterized.parameters(
        ("top_classes", [0, 5, 1], "row 252 has a best class outside of the 5: run spl_tf.predict again"),
        ("top_classes", [0, None, 1], "has empty cells in column top_classes: run"),
        ("top_classes", None, "has empty cells in column top_classes: run"),
        ("top_classes", [0, 1], "has lists of 2 to 3 best classes or scores: run"),
        ("top_scores", [0.4, 0.5, 0.1], "row 252 has best scores that rise: run"),
        ("top_scores", [0.4, 0.4, float("nan")], "row 252, clip .*, has a top_scores that is no number: its"),
        ("top_scores", [0.4, 0.3, -0.1], "row 252 has a best score that is no probability: run"),
    )
    def test_broken_best_scores_are_refused_by_row(self, name, cell, message):
        write_predictions(self.predictions, CLASSES, self.weak, self.scores, 3, [300])
        path = self.predictions / "web-00000-of-00001.parquet"
        table = pq.read_table(path)
        position = table.schema.get_field_index(name)
        cells = table[name].to_pylist()
        cells[252] = cell
        pq.write_table(table.set_column(position, name, pa.array(cells, table.schema.field(name).type)), path)
        with self.assertRaisesRegex(UserError, f"web-00000-of-00001.parquet {message}"):
            assign.assign_labels(self.predictions, "mopro", self.labels)


if __name__ == "__main__":
    tf.test.main()
