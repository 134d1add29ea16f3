"""Rank correlations against scipy, and what rows of a results file foretell against loops over clips."""

import pathlib

import numpy as np
import scipy.stats
import tensorflow as tf
from absl.testing import parameterized

from tests.commands import assert_mistake, run_command
from tools.study import foretell
from tools.study.foretell import arm_of, correlation, expected, measured, spearman, table
from tools.study.results import append_row

CLASSES = ["run", "jump", "swim"]
CELLS = np.array([[r, c] for r in range(3) for c in range(3)])


def _row(strategy, seed, truth, names, **changes):
    row = {"study": "main", "strategy": strategy, "variant": "", "seed": seed, "round": 1, "min_confidence": 0.0}
    row |= {"teacher_share": 1.0, "query_right": None, "top_1": 0.7, "linear_probe": 0.6, "knn": 0.5}
    return row | {"label_truth": truth, "label_names": names} | changes


def _rows(seed=0, accuracy=0.8):
    """The rows of none, spl, weak and spl_b of one seed, from clips of every query, prediction and class."""
    clips = np.random.default_rng(seed).integers(1, 60, (3, 3, 3)) + 100 * np.eye(3, dtype=int)
    discarded = [[0, 0, 0]]
    cells = [CLASSES[r] if r == c else f"{CLASSES[r]}|{CLASSES[c]}" for r, c in CELLS]
    none = {name: value for name, value in _row("none", seed, None, None).items() if not name.startswith("label_")}
    off = clips.sum(axis=1) - np.array([clips[c, c] for c in range(3)])
    split = np.concatenate([[clips[c, c] for c in range(3)], off])
    return clips, [
        none | {"top_1": accuracy},
        _row("spl", seed, [*clips.reshape(9, 3).tolist(), *discarded], cells),
        _row("weak", seed, [*clips.sum(axis=1).tolist(), *discarded], CLASSES),
        _row("spl_b", seed, [*split.tolist(), *discarded], [*CLASSES, *(f"{name}|other" for name in CLASSES)]),
    ]


class ForetellTest(parameterized.TestCase, tf.test.TestCase):
    def test_rank_correlations_are_scipy_s(self):
        rng = np.random.default_rng(0)
        pairs = rng.integers(5, size=(20, 9, 2)).astype(float)  # Many ties.
        expected_values = [scipy.stats.spearmanr(x, y).statistic for x, y in pairs.transpose(0, 2, 1)]
        self.assertAllClose(spearman(pairs), expected_values)
        self.assertTrue(np.isnan(spearman(np.ones((1, 4, 2)))[0]))

    def test_an_interval_is_around_what_holds_for_all_seeds(self):
        rng = np.random.default_rng(0)
        arms = [np.column_stack([np.full(5, x), x**3 + rng.normal(0, 0.1, 5)]) for x in range(12)]
        found = correlation(arms, 1)
        self.assertGreater(found.value, 0.97)
        self.assertGreater(found.low, 0.9)
        self.assertLessEqual(found.value, found.high)
        unrelated = [np.column_stack([np.full(5, x), rng.normal(size=5)]) for x in range(12)]
        found = correlation(unrelated, 1)
        self.assertBetween(0, found.low, found.high)
        self.assertEqual(str(correlation([arm * 0 for arm in arms], 1)), "-")

    def test_what_is_measured_is_counted_in_the_row(self):
        clips, rows = _rows()
        found = measured(rows[1])
        cells = clips.reshape(9, 3)
        self.assertAllClose(found.purity, cells.max(axis=1).sum() / cells.sum())
        self.assertEqual((found.kept, found.least_kept), (1, 1))
        thrown = [[0, 0, 0], [90, 0, 0], [0, 30, 0], [10, 10, 20]]  # Ten, ten and twenty are discarded.
        found = measured(_row("agreement", 0, thrown, CLASSES))
        self.assertAllClose((found.purity, found.kept, found.least_kept), (1, 120 / 160, 0))

    def test_what_is_expected_needs_the_matrix_and_the_accuracy_alone(self):
        """The rows of the cells are summed before they are used: which clips show what is not looked at."""
        clips, rows = _rows()
        found = expected(rows[3], rows)
        spread = clips.sum(axis=2, keepdims=True) // 3 + np.zeros((1, 1, 3), int)
        spread[..., 0] += clips.sum(axis=2) - spread.sum(axis=2)
        rows[1]["label_truth"][:9] = spread.reshape(9, 3).tolist()
        self.assertEqual(expected(rows[3], rows), found)
        self.assertBetween(found.purity, 1 / 3, 1)
        self.assertGreater(expected(rows[1], rows).bits, found.bits)
        self.assertGreater(found.bits, expected(rows[2], rows).bits)
        self.assertIsNone(expected(rows[2] | {"min_confidence": 0.5}, rows))
        self.assertIsNone(expected(rows[2] | {"seed": 7}, rows))
        better = [rows[0] | {"top_1": 0.95}, *rows[1:]]
        self.assertNotEqual(expected(rows[2], better), expected(rows[2], rows))

    def test_the_table_has_a_line_for_every_quality_and_seeds_of_an_arm_are_one(self):
        rows = [row for seed in range(3) for row in _rows(seed)[1]]
        chosen = [row for row in rows if "label_truth" in row]
        self.assertLen({arm_of(row) for row in chosen}, 3)
        lines = table(chosen, rows)
        self.assertLen(lines, 10)
        self.assertEqual({line[1] for line in lines}, {"3"})

    def test_the_command(self):
        path = self.create_tempfile("results.jsonl").full_path
        for seed in range(2):
            for row in _rows(seed)[1]:
                append_row(pathlib.Path(path), row)
        code, out, err = run_command(foretell, f"--results={path}")
        self.assertEqual(code, 0, err)
        self.assertIn("| measured bits per clip | 3 |", out)
        assert_mistake(run_command(foretell, f"--results={path}x"), "has no row with label_truth")


if __name__ == "__main__":
    tf.test.main()
