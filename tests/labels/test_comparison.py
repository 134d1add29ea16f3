"""Expected and measured worth of labels: against clips of a made world, counted one by one."""

import collections
import dataclasses
import math
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import comparison, labellers
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.cell_truth import classes_of_queries, expected_truth
from spl_tf.labels.comparison import compare_strategies
from spl_tf.labels.comparison_text import comparison_rows, comparison_text
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.label_quality import joint_by_cell, label_quality
from spl_tf.labels.predictions import open_predictions
from spl_tf.labels.teacher_confusion import counted_confusion, even_confusion
from spl_tf.labels.truth_list import read_truth_list
from tests.labels.top_scores import CLASSES, TopScoresCase, read_columns, write_predictions

QUERIES = np.array([[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.4, 0.1, 0.5]])  # Classes of the clips of a query.
RATES = np.array([[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.05, 0.05, 0.9]])


def quality_by_hand(labels, truths):
    """Purity, bits, bits a clip, kept, least kept: dictionaries over clips; label -1 is discarded."""
    pairs = [(label, truth) for label, truth in zip(labels, truths, strict=True) if label >= 0]
    of_label = collections.defaultdict(collections.Counter)
    for label, truth in pairs:
        of_label[label][truth] += 1
    n = len(pairs)
    purity = sum(max(counter.values()) for counter in of_label.values()) / n
    label_counts, truth_counts = (collections.Counter(column) for column in zip(*pairs, strict=True))
    joint = collections.Counter(pairs)
    bits = sum(c / n * math.log2(c * n / (label_counts[label] * truth_counts[t])) for (label, t), c in joint.items())
    everything = collections.Counter(truths)
    least = min(truth_counts[t] / everything[t] for t in everything)
    return purity, bits, bits * n / len(labels), n / len(labels), least


def made_world(rng, num_clips):
    """Query, prediction and class of clips whose query and teacher err independently."""
    weak = rng.integers(3, size=num_clips)
    draw = rng.random(num_clips)[:, np.newaxis]
    truth = (draw > QUERIES.cumsum(axis=1)[weak]).sum(axis=1)
    draw = rng.random(num_clips)[:, np.newaxis]
    teacher = (draw > RATES.cumsum(axis=1)[truth]).sum(axis=1)
    return weak, np.minimum(teacher, 2), np.minimum(truth, 2)


class ExpectedTruthTest(parameterized.TestCase, tf.test.TestCase):
    def test_mixtures_behind_exact_counts_are_found(self):
        confusion = 1e6 * QUERIES @ RATES
        self.assertAllClose(classes_of_queries(confusion, RATES) / 1e6, QUERIES, atol=2e-3)

    def test_cells_show_what_bayes_says(self):
        confusion = 1e6 * QUERIES @ RATES
        joint = 1e6 * QUERIES[:, np.newaxis, :] * RATES.T
        self.assertAllClose(expected_truth(confusion, RATES) / 1e6, joint / 1e6, atol=2e-3)
        self.assertAllClose(expected_truth(confusion, RATES).sum(axis=2), confusion)

    def test_a_teacher_that_is_always_right_shows_itself_and_one_that_guesses_nothing(self):
        confusion = np.array([[5, 3, 0], [0, 0, 0], [1, 2, 9]])
        always = even_confusion(1.0, 3, "").rates
        self.assertAllClose(expected_truth(confusion, always).sum(axis=0), np.diag(confusion.sum(axis=0)), atol=4)
        guess = np.full((3, 3), 1 / 3)
        shown = expected_truth(confusion, guess)
        self.assertAllClose(shown.sum(axis=2), confusion)
        # What is left is the query alone: the same mixture whatever the prediction.
        self.assertAllClose(shown[2, 0] / 1, shown[2, 2] / 9)

    @parameterized.parameters(0.0, 0.5, 1.0)
    def test_even_errors_sum_to_one_and_none_is_impossible(self, accuracy):
        rates = even_confusion(accuracy, 4, "").rates
        self.assertAllClose(rates.sum(axis=1), np.ones(4))
        self.assertGreater(rates.min(), 0)
        self.assertAllClose(np.diag(rates), np.full(4, np.clip(accuracy, 0.125, 0.875)))

    def test_a_class_without_a_clean_clip_is_refused(self):
        with self.assertRaisesRegex(UserError, "H: no clip of class 'b', so nothing tells .*: give clean clips"):
            counted_confusion(np.array([[3, 1], [0, 0]]), ["a", "b"], "H")

    def test_expected_quality_is_that_of_the_clips_of_such_a_world(self):
        weak, teacher, truth = made_world(np.random.default_rng(0), 60_000)
        confusion = count_pairs(weak, teacher, 3)
        shown = expected_truth(confusion, RATES)
        for strategy in ("weak", "teacher", "agreement", "spl", "spl_m", "spl_d", "spl_b"):
            fitted = labellers.labeller(strategy).fit(confusion, list("abc"))
            expected = label_quality(joint_by_cell(fitted, shown), shown.sum(axis=(0, 1)))
            labels = fitted.apply(weak.astype(np.int32), teacher.astype(np.int32))
            found = quality_by_hand(labels.tolist(), truth.tolist())
            values = (expected.purity, expected.bits, expected.bits_per_clip, expected.kept, expected.least_kept)
            self.assertAllClose(values, found, atol=0.02, msg=strategy)


class ComparisonTest(TopScoresCase):
    def setUp(self):
        super().setUp()
        write_predictions(self.predictions, CLASSES, self.weak, self.scores, 5, [120, 0, 180])
        self.teacher = self.scores.argmax(axis=1)
        self.truth = np.where(np.arange(300) % 3 == 0, self.weak, self.teacher)
        self.list = self.predictions.parent / "truth.csv"

    def _compare(self, *strategies, listed=None, counted=True, confusion=True, **options):
        truth = None
        if listed is not None:
            lines = [f"clip {row},{CLASSES[self.truth[row]]}" for row in listed]
            self.list.write_text("\n".join(["clip_id,label", *lines]))
            truth = read_truth_list(self.list, CLASSES)
        known = even_confusion(0.7, 5, "its accuracy") if confusion else None
        if confusion and counted:
            known = dataclasses.replace(known, counted=True)
        chosen = [labellers.labeller(name) for name in strategies or labellers.PAIR_LABELLERS]
        return compare_strategies(open_predictions(self.predictions), chosen, known, truth, **options)

    def test_kept_and_measured_are_those_of_the_labels_that_label_writes(self):
        for min_confidence in (0.0, 0.6):
            compared = self._compare("weak", "agreement", "mopro", listed=range(300), min_confidence=min_confidence)
            for row in compared.rows:
                folder = self.labels / f"{row.name}{min_confidence}"
                summary = assign_labels(self.predictions, row.name, folder, min_confidence=min_confidence)
                self.assertAllClose(row.kept, summary["kept"] / 300)
                expected = quality_by_hand(read_columns(folder, "label")[0], self.truth.tolist())
                self.assertAllClose(row.measured.kept.value, expected[3])
                self.assertAllClose(row.measured.least_kept.value, expected[4])
                self.assertBetween(expected[0], row.measured.purity.low, row.measured.purity.high + 0.03)

    def test_every_strategy_has_a_row_and_soft_labels_count_as_drawn(self):
        compared = self._compare(listed=range(50))
        self.assertEqual([row.name for row in compared.rows], list(labellers.PAIR_LABELLERS))
        rows = {row.name: row for row in compared.rows}
        for row in rows.values():
            self.assertBetween(row.expected.purity, 0.2, 1, row.name)
            self.assertBetween(row.expected.least_kept, 0, 1, row.name)
        # What a clip's cell tells no map of the cell can exceed.
        self.assertLessEqual(max(row.expected.bits_per_clip for row in rows.values()), rows["spl"].expected.bits + 1e-9)
        self.assertEqual(compared.listed, (50, 0))
        self.assertAllClose(
            compared.listed_right,
            [np.mean(self.weak[:50] == self.truth[:50]), np.mean(self.teacher[:50] == self.truth[:50])],
        )
        text = comparison_text(compared)
        for name in labellers.PAIR_LABELLERS:
            self.assertIn(f"\n  {name} ", text)
        self.assertLen({tuple(row) for row in comparison_rows(compared)}, 1)

    def test_where_only_an_accuracy_is_known_what_needs_more_is_left_out(self):
        compared = self._compare(counted=False)
        self.assertEqual(set(compared.left_out), {"cell_posterior", "crowdlab"})
        self.assertIn("Not compared: cell_posterior, crowdlab: it needs --held_out", comparison_text(compared))

    def test_of_too_many_classes_nothing_is_expected_and_that_is_said(self):
        with mock.patch.object(comparison, "MOST_CLASSES", 4):
            compared = self._compare("spl_b", "mopro", listed=range(100))
        self.assertEqual(list(compared.left_out), ["mopro"])
        self.assertIsNone(compared.rows[0].expected)
        self.assertIsNotNone(compared.rows[0].measured)
        self.assertIn("Expected: nothing, as what every cell shows is not kept of more than", comparison_text(compared))

    def test_without_a_known_teacher_nothing_is_expected_and_that_is_said(self):
        compared = self._compare("spl_b", confusion=False)
        self.assertIsNone(compared.rows[0].expected)
        self.assertEqual(compared.rows[0].kept, 1)
        self.assertIn("Expected: nothing, as nobody measured the teacher: give --held_out", comparison_text(compared))

    def test_listed_clips_that_are_not_there_are_counted(self):
        compared = self._compare("weak", listed=range(10))
        self.list.write_text("clip_id,label\nclip 3,a\nclip 900,b\nclip 4,\n")
        truth = read_truth_list(self.list, CLASSES)
        compared = compare_strategies(open_predictions(self.predictions), [labellers.labeller("weak")], None, truth)
        self.assertEqual(compared.listed, (2, 1))
        self.assertIn("1 listed clips are not among the predictions: left out", comparison_text(compared))
        self.list.write_text("clip_id,label\nx@3,a\n")
        with self.assertRaisesRegex(UserError, "none of the 1 clips of .*truth.csv is in .*such as 'clip 0': list"):
            compare_strategies(open_predictions(self.predictions), [], None, read_truth_list(self.list, CLASSES))

    @parameterized.parameters(
        ("clip_id,class\n", "truth.csv has no column 'label': give the columns clip_id and label"),
        ("clip_id,label\n", "truth.csv lists no clip"),
        ("clip_id,label\nc 1,a\nc 2,z\n", "line 3 of .*truth.csv: 'z' is no class; leave the label empty"),
        ("clip_id,label\nc 1,a\nc 1,a\n", "line 3 of .*truth.csv: the clip c 1 is listed twice"),
        ("clip_id,label\nc 1\n", "line 2 of .*truth.csv: None is no class"),
        ('clip_id,label\n"c 1,a\n', "truth.csv is not a CSV file in UTF-8"),
    )
    def test_a_wrong_list_is_refused_by_line(self, text, message):
        self.list.write_text(text)
        with self.assertRaisesRegex(UserError, message):
            read_truth_list(self.list, CLASSES)

    def test_strategies_that_ask_for_scores_are_left_out_where_there_are_none(self):
        for path in self.predictions.glob("*.parquet"):
            pq.write_table(pq.read_table(path).drop_columns("top_scores"), path)
        compared = self._compare()
        asking = {"spl_ib", "mopro", "dawid_skene", "crowdlab"}
        self.assertEqual(set(compared.left_out), asking)
        self.assertEqual({row.name for row in compared.rows}, set(labellers.PAIR_LABELLERS) - asking)
        self.assertRegex(
            comparison_text(compared), "Not compared: spl_ib, mopro, dawid_skene, crowdlab: .*run spl_tf.predict again"
        )


if __name__ == "__main__":
    tf.test.main()
