"""Scores of SPL classes summed to those of target classes, against sums by hand and by loops over the cells."""

import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import labellers, target_shares
from spl_tf.labels.label_folder import read_cells
from spl_tf.labels.target_shares import TargetShares, read_target_shares, shares_of_cells
from tests.labels.label_folders import label_matrix

CLASSES = ("run", "jump", "swim")
# That of `labellers`.
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])


def _summed_by_loops(scores, table, confusion, query_share):
    """float [K] -> [N], cell by cell."""
    num_classes = len(table)
    summed = np.zeros(num_classes)
    for number, score in enumerate(scores):
        cells = [(q, t) for q in range(num_classes) for t in range(num_classes) if table[q, t] == number]
        cells = [(q, t) for q, t in cells if q == t] or cells
        clips = sum(confusion[cell] for cell in cells)
        for q, t in cells:
            part = confusion[q, t] / clips if clips else 1 / len(cells)
            summed[q] += score * part * query_share
            summed[t] += score * part * (1 - query_share)
    return summed


class TargetSharesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _sum(self, strategy, scores, query_share=0.5, **options):
        labels = label_matrix(self.folder, CONFUSION, CLASSES, strategy, **options)
        return read_target_shares(labels, query_share).scores(np.array(scores))

    def test_spl_b_halves_what_teacher_and_query_do_not_agree_on(self):
        # run|other: 20 of 42 seen as jump, 1 as swim; jump|other: 7 of 37 as run; swim|other: 1 of 1 as run.
        summed = self._sum("spl_b", [0.1, 0.2, 0.3, 0.21, 0.185, 0.005])
        run = 0.1 + 0.21 / 2 + 0.185 / 2 * 7 / 37 + 0.005 / 2
        jump = 0.2 + 0.185 / 2 + 0.21 / 2 * 40 / 42
        swim = 0.3 + 0.005 / 2 + 0.21 / 2 * 2 / 42 + 0.185 / 2 * 30 / 37
        self.assertAllClose(summed, [run, jump, swim], atol=1e-12)

    def test_the_rest_of_a_row_that_spl_m_merged_is_its_query_s(self):
        # Ids 3 and 4 are run|jump and jump|swim; run|swim, jump|run, swim|run and swim|jump are merged.
        summed = self._sum("spl_m", [0.1, 0.2, 0.3, 0.16, 0.24], num_labels=5)
        self.assertAllClose(summed, [0.1 + 0.08, 0.2 + 0.08 + 0.12, 0.3 + 0.12], atol=1e-12)

    @parameterized.parameters(0.0, 0.3, 1.0)
    def test_query_share_goes_to_the_query(self, query_share):
        summed = self._sum("spl_d", [0.1, 0.2, 0.3, 0.16, 0.24], query_share, num_labels=5)
        q, t = query_share, 1 - query_share
        self.assertAllClose(summed, [0.1 + q * 0.16, 0.2 + t * 0.16 + q * 0.24, 0.3 + t * 0.24], atol=1e-12)

    @parameterized.parameters("weak", "teacher", "agreement")
    def test_labels_of_the_target_s_own_classes_stay_as_they_are(self, strategy):
        self.assertAllEqual(self._sum(strategy, [0.1, 0.2, 0.7]), [0.1, 0.2, 0.7])

    @parameterized.product(
        strategy=("spl", "spl_b", "spl_m", "spl_d", "weak", "teacher", "agreement"), query_share=(0.5, 0.2)
    )
    def test_sums_are_those_of_a_loop_over_cells_and_keep_a_distribution(self, strategy, query_share):
        generator = np.random.default_rng(0)
        for num_classes in (2, 5):
            confusion = generator.poisson(2, (num_classes, num_classes))
            confusion[0] = 0  # A query that found nothing.
            names = [f"class {number}" for number in range(num_classes)]
            fitted = labellers.labeller(strategy).fit(confusion, names)
            scores = generator.dirichlet(np.ones(fitted.num_classes))
            sources, targets, shares = shares_of_cells(fitted.table, confusion, query_share)
            found = TargetShares(fitted.class_names, tuple(names), sources, targets, shares).scores(scores)
            self.assertAllClose(found, _summed_by_loops(scores, fitted.table, confusion, query_share), atol=1e-12)
            self.assertAllClose(found.sum(), 1.0, atol=1e-12)

    def test_a_class_without_a_cell_is_refused(self):
        labels = label_matrix(self.folder, CONFUSION, CLASSES, "spl")
        table, merged = read_cells(labels, len(CLASSES))
        table[0, 2] = -1
        self.enter_context(mock.patch.object(target_shares, "read_cells", return_value=(table, merged)))
        with self.assertRaisesRegex(UserError, r"the class 'run\|swim' has no cell of the confusion matrix"):
            read_target_shares(labels, 0.5)


if __name__ == "__main__":
    tf.test.main()
