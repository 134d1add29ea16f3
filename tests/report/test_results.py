"""The table of results against the runs it is made of."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.experiment.sets import WebSet
from spl_tf.report.collect import Recipe
from spl_tf.report.results import differences_to, disagreement, mean_of_percent, results_section


class ResultsTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, made, parse):
        self.made, self.parse = made, parse

    def _rows(self):
        """Strategy -> column -> text."""
        table = self.parse(results_section(Recipe(self.made.folder, self.made.results)).markup).one("table")
        return {
            row.attributes["data-row"]: {cell.attributes["data-column"]: cell.text for cell in row.all("td")}
            for row in table.one("tbody").all("tr")
        }

    def test_numbers_are_those_of_the_runs(self):
        self.made.run("none", [True, False, False, False], seed=0, top_5=0.75, seconds=30.0)
        self.made.run("none", [True, True, False, False], seed=1, top_5=1.0, seconds=90.0)
        web = {"classes": 6, "clips": 12345, "noise_ratio": 0.6, "samples_cover_ratio": 0.4}
        for seed in (0, 1):
            self.made.run("weak", [True, True, True, False], seed=seed, **web)
        rows = self._rows()
        self.assertEqual(list(rows), ["none", "weak"])
        # Of 25 and 50 %: mean 37.5, deviation 25 / sqrt(2).
        self.assertEqual(
            {key: rows["none"][key] for key in ("seeds", "top-1", "top-5", "scr", "classes", "clips", "minutes")},
            {
                "seeds": "2",
                "top-1": "37.5 ± 17.7",
                "top-5": "87.5 ± 17.7",
                "scr": "-",
                "classes": "-",
                "clips": "-",
                "minutes": "1.0",
            },
        )
        weak = rows["weak"]
        self.assertEqual((weak["top-1"], weak["scr"], weak["classes"]), ("75.0 ± 0.0", "40.0 ± 0.0", "6"))
        self.assertEqual((weak["clips"], weak["difference"]), ("12,345", "reference"))
        self.assertTrue(rows["none"]["difference"].startswith("-37.5 ["))
        self.assertNotIn("map", weak)

    def test_a_difference_that_leaves_zero_out_is_bold(self):
        self.made.run("none", [False] * 20)
        self.made.run("spl_b", [True] * 20, classes=4)
        self.made.run("spl", [True] + [False] * 19, classes=4)
        page = self.parse(results_section(Recipe(self.made.folder, self.made.results)).markup)
        better, same = (page.one("tr", data_row=name).one("td", data_column="difference") for name in ("spl_b", "spl"))
        self.assertEqual((better.text, better.one("b").text), ("+100.0 [+100.0, +100.0]", "+100.0"))
        self.assertEmpty(same.all("b"))

    def test_mean_average_precision_has_a_column_where_it_was_measured(self):
        self.made.run("none", [True], mean_average_precision=None)
        self.made.run("weak", [True], classes=2, mean_average_precision=0.25)
        rows = self._rows()
        self.assertEqual((rows["none"]["map"], rows["weak"]["map"]), ("-", "25.0"))

    def test_the_share_of_disagreement_says_of_which_arms_web_set_it_is_where_there_are_several(self):
        other = WebSet(*map(pathlib.Path, ("shards", "predictions", "teacher")))
        recipe = Recipe(self.made.folder, self.made.results)
        self.made.run("none", [True])
        self.assertEqual(disagreement(recipe), "")
        for seed, ratio in ((0, 0.5), (1, 0.7)):
            for arm in ("weak", "spl"):
                self.made.run(arm, [True], seed=seed, classes=2, noise_ratio=ratio)
        text = "Query and teacher disagree on 60.0 ± 14.1 % of the web clips"
        self.assertEqual(disagreement(recipe), f"{text}.")
        for seed in (0, 1):
            self.made.run("cleaned", [True], seed=seed, classes=2, noise_ratio=0.1)
            self.made.results[-1] = dataclasses.replace(self.made.results[-1], web=other)
        self.assertEqual(disagreement(recipe), f"{text} of weak, spl.")

    def test_videos_are_paired_by_name_whatever_their_order(self):
        """The same videos are right: line by line it would be one gain and one loss, and an interval of 200 points."""
        self.made.run("weak", [True, False], classes=2)
        path = self.made.run("none", [True, False]) / "test" / "videos.csv"
        header, *lines = path.read_text().splitlines()
        path.write_text("\n".join([header, *lines[::-1]]) + "\n")
        found = differences_to(Recipe(self.made.folder, self.made.results), "weak")["none"]
        self.assertEqual((found.points, found.low, found.high), (0.0, 0.0, 0.0))

    def test_only_seeds_that_both_have_are_compared(self):
        self.made.run("weak", [True, True], classes=2, seed=0)
        self.made.run("none", [False, True], seed=0)
        self.made.run("none", [False, False], seed=1)
        found = differences_to(Recipe(self.made.folder, self.made.results), "weak")["none"]
        self.assertEqual((found.points, found.seeds), (-50.0, 1))

    def test_other_test_videos_give_no_interval_and_say_so(self):
        self.made.run("weak", [True, True], classes=2)
        self.made.run("none", [True, True, False])
        page = self.parse(results_section(Recipe(self.made.folder, self.made.results)).markup)
        self.assertIn("none with seed 0 was tested on other videos", page.text)
        self.assertEmpty(page.all("td", data_column="difference"))
        self.assertEqual(page.one("tr", data_row="none").one("td", data_column="top-1").text, "66.7")

    def test_a_later_round_is_a_row_of_its_own(self):
        self.made.run("spl_b", [True, False], classes=4)
        self.made.run("spl_b", [True, True], classes=4, round_number=2)
        rows = self._rows()
        self.assertEqual([rows[name]["top-1"] for name in ("spl_b", "spl_b, round 2")], ["50.0", "100.0"])
        self.assertNotIn("difference", rows["spl_b"])

    def test_dots_lie_where_the_scale_puts_them(self):
        """Of 25 and 50 %, the scale is 25 to 50 %: the dots are at its ends, 6 and 114 of 120 units."""
        self.made.run("none", [True, False, False, False], seed=0)
        self.made.run("none", [True, True, False, False], seed=1)
        page = self.parse(results_section(Recipe(self.made.folder, self.made.results)).markup)
        self.assertIn("25 to 50 %", page.one("thead").text)
        dots = page.one("tr", data_row="none").one("td", data_column="runs").all("circle")
        self.assertEqual([float(dot.attributes["cx"]) for dot in dots], [6.0, 114.0])

    def test_classes_of_several_seeds_are_a_mean_of_one_decimal(self):
        for seed, classes in enumerate((6, 7, 7)):
            self.made.run("spl", [True], classes=classes, seed=seed)
        self.assertEqual(self._rows()["spl"]["classes"], "6.7")

    def test_one_value_has_no_deviation(self):
        self.assertEqual([mean_of_percent(shares) for shares in ([], [0.5], [0.5, 0.7])], ["-", "50.0", "60.0 ± 14.1"])

    def test_intervals_do_not_hang_on_the_order_of_the_runs(self):
        for seed in (0, 1):
            self.made.run("weak", np.arange(40) % 3 < 1 + seed, classes=2, seed=seed)
            self.made.run("none", np.arange(40) % 2 < 1, seed=seed)
        results = self.made.results
        first = differences_to(Recipe(self.made.folder, results), "weak")["none"]
        again = differences_to(Recipe(self.made.folder, sorted(results, key=lambda run: run.arm)), "weak")["none"]
        self.assertEqual(dataclasses.astuple(first), dataclasses.astuple(again))


if __name__ == "__main__":
    tf.test.main()
