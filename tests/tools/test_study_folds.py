"""The main study over folds: which lists a fold is run with, intervals by simulation, tables by hand."""

import json
import pathlib
from unittest import mock

import gin
import numpy as np
from absl.testing import absltest, parameterized

from spl_tf import configuration
from spl_tf.errors import UserError
from tests.tools.simulated_gains import SIZES, TRUE, simulated
from tools.study import folds, folds_report
from tools.study.arms import STRATEGIES
from tools.study.folded import folded_difference


class RunTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_each_fold_is_run_with_its_own_lists_and_all_folds_have_a_seed_before_the_next(self):
        runs = []

        def note(study, arms, results):
            folder = pathlib.Path(gin.query_parameter("video_folder.folder")).name
            runs.append((folder, study, {arm.fold for arm in arms}, {arm.seed for arm in arms}, len(arms), results))

        import spl_tf.configurables  # noqa: F401

        folders = [self.folder / f"fold{fold}of2" for fold in range(2)]
        configuration.parse([], ["video_folder.folder = 'elsewhere'"])
        self.addCleanup(gin.clear_config)
        with (
            mock.patch("tools.study.study.ucf6_study", lambda output_dir, keys: (output_dir, len(keys))),
            mock.patch("tools.study.run.run_arms", note),
        ):
            folds.run_folds(folders, folds.fold_arms(2, 2), self.folder / "out", self.folder / "rows")
        expected = [
            (f"fold{fold}of2", (self.folder / f"out/fold{fold}of2", 16), {fold}, {seed}, 8, self.folder / "rows")
            for seed in range(2)
            for fold in range(2)
        ]
        self.assertEqual(runs, expected)

    @parameterized.parameters((), ("fold0of2",), ("fold0of2", "fold1of2", "fold0of3"))
    def test_refuses_folds_that_are_not_all_there(self, *names):
        for name in names:
            (self.folder / name).mkdir()
        with self.assertRaisesRegex(UserError, "not all of one number"):
            folds.fold_folders(self.folder)

    def test_ten_folds_are_in_the_order_of_their_numbers(self):
        for fold in range(11):
            (self.folder / f"fold{fold}of11").mkdir()
        self.assertEqual([path.name for path in folds.fold_folders(self.folder)], [f"fold{i}of11" for i in range(11)])


class IntervalTest(absltest.TestCase):
    def test_nineteen_of_twenty_hold_the_true_difference(self):
        generator = np.random.default_rng(3)
        found = [folded_difference(simulated(generator, 4, 2, SIZES * 8, mean=0.03)) for _ in range(600)]
        # Eight trainings tell their own variance roughly: 93 to 97 % instead of 95.
        self.assertBetween(np.mean([each.low <= 3 <= each.high for each in found]), 0.91, 0.985)
        widths = np.mean([each.high - each.low for each in found]) / (2 * 1.96)
        self.assertBetween(widths / np.std([each.points for each in found]), 0.9, 1.15)
        self.assertGreater(TRUE.seed, 0)  # Trainings do differ in it.

    def test_trainings_that_differ_widen_it(self):
        names = [f"{fold}-{video // 2}" for fold in range(2) for video in range(20)]
        generator = np.random.default_rng(0)
        alike = [(np.tile(generator.integers(-1, 2, 20), (2, 1)).astype(float), names[:20]) for _ in range(2)]
        alike[1] = alike[1][0], names[20:]
        apart = [(gains + [[0.3], [-0.3]], recordings) for gains, recordings in alike]
        narrow, wide = folded_difference(alike), folded_difference(apart)
        self.assertAlmostEqual(narrow.points, wide.points)
        self.assertGreater(wide.high - wide.low, 1.2 * (narrow.high - narrow.low))

    def test_refuses_a_recording_in_two_folds_and_one_seed(self):
        fold = np.zeros((2, 2)), ["a", "b"]
        with self.assertRaisesRegex(ValueError, "two folds"):
            folded_difference([fold, fold])
        with self.assertRaisesRegex(ValueError, "one seed"):
            folded_difference([(np.zeros((1, 2)), ["a", "b"])])


class ReportTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        # Folds of four and of two videos, each of a recording of its own.
        for fold, groups in enumerate((range(1, 5), range(5, 7))):
            (self.folder / f"fold{fold}of2").mkdir()
            rows = "".join(f"videos/v_A_g{group:02}_c01.mp4,A\n" for group in groups)
            (self.folder / f"fold{fold}of2/test.csv").write_text(f"path,label\n{rows}")

    def _folds(self, correct, folds_of_rows=2):
        """Collected from (strategy, fold, seed) -> digits."""
        rows = [
            vars(folds.FoldArm("main", strategy, seed, fold=fold, folds=folds_of_rows))
            | {"correct": digits, "config": f"of fold {fold}", "linear_probe": 0.5, "knn": 0.25}
            for (strategy, fold, seed), digits in correct.items()
        ]
        rows = [json.loads(json.dumps(row)) for row in rows]
        return folds_report.collected_folds(rows, folds.fold_folders(self.folder))

    def _cells(self, table, name):
        (line,) = [line for line in table.splitlines() if line.startswith(f"| {name} ")]
        return [cell.strip() for cell in line.strip("|").split("|")]

    def test_top_1_is_over_all_videos_and_differences_over_what_both_have(self):
        collected = self._folds(
            {
                ("none", 0, 0): "1000",
                ("none", 1, 0): "10",
                ("none", 0, 1): "1000",
                ("none", 1, 1): "10",
                ("weak", 0, 0): "1110",
                ("weak", 1, 0): "11",
                ("weak", 0, 1): "1100",
                ("weak", 1, 1): "11",
                ("spl", 0, 0): "1111",
            }
        )
        table = folds_report.strategies_table(collected)
        # None: 1 of 4 and 1 of 2. Weak: 2.5 of 4 and 2 of 2.
        self.assertEqual(self._cells(table, "none")[1:5], ["2", "4", "6", "33.3"])
        self.assertEqual(self._cells(table, "weak")[1:5], ["2", "4", "6", "75.0"])
        self.assertRegex(self._cells(table, "weak")[6], r"^\*{0,2}\+41\.7\*{0,2} \[.*\]$")
        self.assertEqual(self._cells(table, "spl")[1:6], ["1", "1", "4", "100.0", "+25.0 (no interval)"])
        self.assertEqual(self._cells(table, "spl_d")[1:], ["0", "0", "0", "-", "-", "-", "-", "-"])
        self.assertLen(table.splitlines(), 2 + len(STRATEGIES))
        orderings = folds_report.orderings_table(collected)
        self.assertIn("| table 5 | spl | none | 3.1 | +75.0 (no interval) | - |", orderings)

    def test_refuses_rows_of_another_number_of_folds(self):
        with self.assertRaisesRegex(UserError, "row of 3 folds"):
            self._folds({("none", 0, 0): "1000"}, folds_of_rows=3)


if __name__ == "__main__":
    absltest.main()
