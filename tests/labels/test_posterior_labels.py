"""Query and teacher as two annotators: against a step of Dawid and Skene's EM written as loops over clips."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.labels import assign, sidecar_files
from spl_tf.labels.label_folder import read_cells, read_summary
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.labellers import dawid_skene
from spl_tf.labels.statistics import MeanScores
from tests.labels.top_scores import CLASSES, TopScoresCase, read_columns, write_predictions


def spread(stored, k):
    """What the k best scores leave, evenly over the other classes: float64 [n, N]."""
    filled = stored.astype(np.float64)
    for scores in filled:
        others = np.argsort(-scores, kind="stable")[k:]
        scores[others] = (1 - scores.sum()) / max(len(others), 1)
    return filled


def em_step(weak, teacher, first):
    """Posterior of every clip, float [n, N], from first estimates [n, N]: M step, then E step."""
    num_classes = first.shape[1]
    share = np.zeros(num_classes)
    query, prediction = np.zeros((2, num_classes, num_classes))
    for l, t, estimate in zip(weak, teacher, first, strict=True):  # noqa: E741
        for y in range(num_classes):
            share[y] += estimate[y]
            query[y, l] += estimate[y]
            prediction[y, t] += estimate[y]
    posterior = np.array(
        [
            [share[y] * (query[y, l] / share[y]) * (prediction[y, t] / share[y]) for y in range(num_classes)]
            for l, t in zip(weak, teacher, strict=True)  # noqa: E741
        ]
    )
    return posterior / posterior.sum(axis=1, keepdims=True)


class DawidSkeneTest(TopScoresCase):
    def _written(self):
        """Distributions of all clips, float64 [n, N]; discarded clips have zeros."""
        classes, probabilities = read_columns(self.labels, "classes", "probabilities")
        dense = np.zeros((len(classes), 5))
        for row, (ids, values) in enumerate(zip(classes, probabilities, strict=True)):
            self.assertEqual(ids is None, values is None)
            if ids is not None:
                dense[row, ids] = values
        return dense

    @parameterized.product(k=[1, 3, 5], min_confidence=[0.0, 0.5])
    def test_targets_equal_a_step_of_em_over_the_clips(self, k, min_confidence):
        stored = write_predictions(self.predictions, CLASSES, self.weak, self.scores, k, [70, 0, 230])
        options = {"min_confidence": min_confidence}
        summary = assign.assign_labels(self.predictions, "dawid_skene", self.labels, **options)
        teacher, sure = self.scores.argmax(axis=1), self.scores.max(axis=1) >= np.float32(min_confidence)
        expected = np.zeros((300, 5))
        expected[sure] = em_step(self.weak[sure], teacher[sure], spread(stored, k)[sure])
        written = self._written()
        # Less than a thousandth is left out, and the rest made whole.
        self.assertAllClose(written, expected, rtol=6e-3, atol=1.1e-3)
        self.assertAllClose(written.sum(axis=1), sure.astype(float), atol=1e-6)
        self.assertAllEqual(read_columns(self.labels, "weight")[0], sure)
        self.assertEqual((summary["target"], summary["kept"]), ("distribution", sure.sum()))
        self.assertAllClose(summary["counts"], written.sum(axis=0), atol=0.51)
        self.assertEqual(read_summary(self.labels).target, "distribution")
        table, _ = read_cells(self.labels, 5)
        self.assertAllEqual(table[self.weak, teacher][sure], written[sure].argmax(axis=1))

    def test_the_side_cars_are_read_as_targets(self):
        write_predictions(self.predictions, CLASSES, self.weak, self.scores, 5, [300])
        assign.assign_labels(self.predictions, "dawid_skene", self.labels, min_confidence=0.5)
        column = sidecar_files.read_labels(
            self.labels / "web-00000-of-00001.parquet",
            shard_name="web",
            shard_fingerprint="web-00000-of-00001",
            ids_digest=sidecar_files.ids_digest([f"clip {row}" for row in range(300)]),
            num_records=300,
            num_classes=5,
            form="distribution",
        )
        self.assertAllClose(column.targets.dense(5), self._written())
        self.assertAllEqual(column.targets.kept, column.weights)

    def test_a_query_that_is_always_right_and_a_teacher_that_says_nothing_give_the_query(self):
        confusion = np.full((2, 2), 5)
        mean_scores = np.zeros((2, 2, 2))
        mean_scores[0, :, 0] = mean_scores[1, :, 1] = 1
        cells = dawid_skene(confusion, ["a", "b"], mean_scores)
        self.assertAllEqual(cells.table, [[0, 0], [1, 1]])
        self.assertAllClose(cells.cells.dense(2), [[1, 0], [1, 0], [0, 1], [0, 1]])

    def test_an_empty_cell_whose_pair_is_impossible_has_no_target(self):
        mean_scores = np.zeros((2, 2, 2))
        mean_scores[0, 0, 0] = mean_scores[1, 1, 1] = 1
        cells = dawid_skene(np.diag([3, 4]), ["a", "b"], mean_scores)
        self.assertAllEqual(cells.table, [[0, -1], [-1, 1]])
        self.assertAllEqual(cells.targets(Pairs(*np.int32([[0, 1], [1, 1]]))).kept, [False, True])

    def test_mean_scores_of_batches_are_those_of_all_clips(self):
        mean, order = MeanScores(5), np.argsort(-self.scores, axis=1)[:, :2]
        top, teacher = np.take_along_axis(self.scores, order, axis=1), order[:, 0]
        for rows in (slice(0, 11), slice(11, 300)):
            mean.add(Pairs(self.weak[rows], teacher[rows], None, order[rows], top[rows]))
        counts, expected = np.zeros((5, 5), int), np.zeros((5, 5, 5))
        stored = np.zeros_like(self.scores)
        np.put_along_axis(stored, order, top, axis=1)
        for l, t, scores in zip(self.weak, teacher, spread(stored, 2), strict=True):  # noqa: E741
            counts[l, t] += 1
            expected[l, t] += scores
        expected /= np.maximum(counts, 1)[..., np.newaxis]
        self.assertAllClose(mean.result(counts), expected)


if __name__ == "__main__":
    tf.test.main()
