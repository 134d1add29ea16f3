"""Kept, merged and discarded clips, the curve of the samples cover ratio, the long tail."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.labels.confusion import samples_cover_ratio
from spl_tf.labels.labellers import spl_m
from spl_tf.report.cells import read_matrix
from spl_tf.report.collect import Recipe
from spl_tf.report.labels import cover_curve, coverage_section, fates_section, tail_section

CLASSES = ("run", "jump", "swim")
CONFUSION = np.array([[90, 40, 2], [7, 80, 30], [1, 0, 60]])


class LabelsTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made, parse):
        self.made, self.parse = made, parse
        made.web(list(CLASSES), CONFUSION)
        for strategy, options in {
            "weak": {},
            "spl": {},
            "spl_m": {"num_labels": 5},
            "spl_d": {"num_labels": 4},
        }.items():
            made.labels(strategy, [True], **options)
        self.recipe = Recipe(made.folder, made.results)
        self.matrix = read_matrix(self.recipe)

    def test_clips_and_cells_by_fate(self):
        rows = self.parse(fates_section(self.recipe, self.matrix).markup).one("table", id="fates-table").cells()
        self.assertEqual(rows["weak"][1:4], ["310 (100.0%)", "0 (0.0%)", "0 (0.0%)"])
        # SPL-M of five classes keeps 90 + 80 + 60 + 40 + 30 clips, SPL-D of four 30 fewer.
        self.assertEqual(rows["spl_m"][1:], ["300 (96.8%)", "10 (3.2%)", "0 (0.0%)", "96.8", "-", "5 / 3 / 0"])
        self.assertEqual(rows["spl_d"][1:], ["270 (87.1%)", "0 (0.0%)", "40 (12.9%)", "87.1", "-", "4 / 0 / 4"])

    def test_labels_that_are_not_the_cell_s_are_told(self):
        summaries = {name: self.made.folder / "seed0" / name / "labels" / "summary.json" for name in ("weak", "spl")}
        self.assertTrue(all(json.loads(path.read_text())["by_cell"] for path in summaries.values()))
        self.assertNotIn("judged one by one", str(fates_section(self.recipe, self.matrix).markup))
        content = json.loads(summaries["spl"].read_text()) | {"by_cell": False}
        (summaries["spl"].parent / "SHA256SUMS").unlink()  # As older versions wrote it.
        summaries["spl"].write_text(json.dumps(content))
        self.assertIn("spl: clips are judged one by one", str(fates_section(self.recipe, self.matrix).markup))

    def test_a_later_round_has_its_clips_counted_but_is_not_in_the_first_teacher_s_matrix(self):
        seed = self.made.folder / "seed0"
        shutil.copytree(seed / "spl_d" / "labels", seed / "spl_m_round2" / "labels")
        self.made.run("spl_m", [True], round_number=2, classes=4)
        recipe = Recipe(self.made.folder, self.made.results)
        matrix = read_matrix(recipe)
        self.assertEqual([fates.name for fates in matrix.fates], ["weak", "spl", "spl_m", "spl_d"])
        rows = self.parse(fates_section(recipe, matrix).markup).one("table", id="fates-table").cells()
        self.assertEqual(rows["spl_m, round 2"][1:], [*rows["spl_d"][1:6], "-"])

    def test_bars_are_as_long_as_their_shares(self):
        page = self.parse(fates_section(self.recipe, self.matrix).markup)
        bars = page.one("tr", data_row="spl_d").all("rect")
        self.assertEqual([bar.attributes["class"] for bar in bars], ["own", "merged", "discarded"])
        self.assertAllClose([float(bar.attributes["width"]) for bar in bars], [27000 / 310, 0, 4000 / 310], atol=0.01)
        self.assertAllClose(float(bars[2].attributes["x"]), 27000 / 310, atol=0.01)

    def test_the_cover_curve_is_that_of_spl_m_with_as_many_classes(self):
        curve = cover_curve(CONFUSION)
        expected = [samples_cover_ratio(CONFUSION, spl_m(CONFUSION, CLASSES, num_labels=size)) for size in range(3, 9)]
        self.assertAllClose(curve, expected)
        self.assertAllClose(curve, np.array([230, 270, 300, 307, 309, 310]) / 310)
        self.assertAllClose(cover_curve(np.diag([1, 2])), [1.0])

    def test_the_curve_s_table_and_chart_show_it(self):
        page = self.parse(coverage_section(self.recipe, self.matrix).markup)
        rows = page.one("table", id="coverage-table").cells()
        self.assertEqual(rows, {"3": ["1", "74.2"], "6": ["2", "99.0"], "8": ["2.67", "100.0"]})
        chart = page.one("figure", id="coverage-chart")
        points = chart.one("g", data_series="K fullest cells").one("polyline").attributes["points"].split()
        heights = np.array([float(point.split(",")[1]) for point in points])
        # Zero is at 214 units from the top, one at 12.
        self.assertAllClose((214 - heights) / 202, cover_curve(CONFUSION), atol=0.001)
        (dot,) = chart.one("g", data_series="spl_m").all("circle")
        self.assertAllClose(float(dot.attributes["cy"]), heights[2], atol=0.06)

    def test_the_tail_shows_sizes_by_falling_count(self):
        page = self.parse(tail_section(self.recipe).markup)
        rows = page.one("table", id="tail-table").cells()
        self.assertEqual(rows["spl"], ["9", "1", "90", "35", "1"])
        self.assertEqual(rows["spl_m"], ["5", "0", "92", "61", "30"])
        dots = page.one("figure", id="tail-chart").one("g", data_series="spl").all("circle")
        self.assertLen(dots, 8)  # The empty class has no logarithm.
        heights = np.array([float(dot.attributes["cy"]) for dot in dots])
        sizes = np.array([90, 80, 60, 40, 30, 7, 2, 1])
        # Even steps of the logarithm are even steps of the height; the largest class of all has 132 clips.
        self.assertAllClose((heights[-1] - heights) / 202, np.log(sizes) / np.log(132), atol=0.001)


if __name__ == "__main__":
    tf.test.main()
