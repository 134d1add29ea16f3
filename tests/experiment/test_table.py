"""The printed table against hand-written ones, and the rows of results.csv."""

import csv
import dataclasses
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.experiment.table import Result, format_table, write_results

NONE = Result("none", 0, 1, 0, 0, None, None, {"top_1": 0.5, "top_5": 0.9}, "top_1", seconds=30.0)
WEAK = Result("weak", 0, 1, 6, 12345, 0.6, 0.4, {"top_1": 0.615, "top_5": 0.95}, "top_1", seconds=90.0)
SPL_B = Result("spl_b", 0, 1, 12, 12345, 0.6, 1.0, {"top_1": 2 / 3, "top_5": 1.0}, "top_1", seconds=120.0)


def _seeds(result, top_1, **changes):
    """The same arm with other seeds; further changes are lists as long as `top_1`."""
    return [
        dataclasses.replace(
            result,
            seed=seed,
            metrics=result.metrics | {"top_1": value},
            **{name: values[seed] for name, values in changes.items()},
        )
        for seed, value in enumerate(top_1)
    ]


class TableTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "results.csv"

    def _read(self):
        """The rows of a file, numbers as numbers."""

        def value(name, text):
            if name == "strategy":
                return text
            return (int if name in ("seed", "round", "classes", "clips") else float)(text) if text else None

        with open(self.path, newline="", encoding="utf-8") as opened:
            return [{name: value(name, text) for name, text in row.items()} for row in csv.DictReader(opened)]

    def _columns(self, *results):
        return [result.columns() for result in results]

    def test_one_seed_has_no_deviation(self):
        self.assertEqual(
            format_table([NONE, WEAK, SPL_B]),
            "| strategy | classes | clips used |     SCR | top-1 (%) | minutes |\n"
            "|:---------|--------:|-----------:|--------:|----------:|--------:|\n"
            "| none     |       - |          - |       - |      50.0 |     0.5 |\n"
            "| weak     |       6 |     12,345 |  40.0 % |      61.5 |     1.5 |\n"
            "| spl_b    |      12 |     12,345 | 100.0 % |      66.7 |     2.0 |",
        )

    def test_three_seeds_give_mean_and_deviation_of_the_sample(self):
        """Of 50, 60 and 70 %: mean 60, deviation sqrt((100 + 0 + 100) / 2) = 10."""
        none = _seeds(NONE, [0.5, 0.6, 0.7], seconds=[60.0, 120.0, 180.0])
        spl = _seeds(
            dataclasses.replace(WEAK, arm="spl"),
            [0.7, 0.7, 0.73],  # Deviation sqrt((1 + 1 + 4) / 2) = sqrt(3).
            classes=[30, 33, 36],
            clips=[1000, 1001, 1004],
            samples_cover_ratio=[0.9, 0.91, 0.95],
        )
        by_seed = [result for pair in zip(none, spl, strict=True) for result in pair]
        expected = (
            "| strategy | classes | clips used |    SCR |   top-1 (%) | minutes |\n"
            "|:---------|--------:|-----------:|-------:|------------:|--------:|\n"
            "| none     |       - |          - |      - | 60.0 ± 10.0 |     2.0 |\n"
            "| spl      |      33 |      1,002 | 92.0 % |  71.0 ± 1.7 |     1.5 |"
        )
        self.assertEqual(format_table(by_seed), expected)
        self.assertEqual(format_table([*none, *spl]), expected)

    def test_mean_average_precision_has_a_column_where_it_was_measured(self):
        spl_b = dataclasses.replace(SPL_B, main_metric="mean_average_precision")
        metrics = [{"top_1": 0.5, "mean_average_precision": 0.25}, {"top_1": 0.5, "mean_average_precision": 0.35}]
        runs = [NONE, *(dataclasses.replace(spl_b, seed=seed, metrics=metrics[seed]) for seed in (0, 1))]
        self.assertEqual(
            format_table(runs),
            "| strategy | classes | clips used |     SCR |  top-1 (%) |    mAP (%) | minutes |\n"
            "|:---------|--------:|-----------:|--------:|-----------:|-----------:|--------:|\n"
            "| none     |       - |          - |       - |       50.0 |          - |     0.5 |\n"
            "| spl_b    |      12 |     12,345 | 100.0 % | 50.0 ± 0.0 | 30.0 ± 7.1 |     2.0 |",
        )

    def test_csv_returns_the_results_unchanged(self):
        results = [NONE, WEAK, *_seeds(SPL_B, [1 / 3, 0.1 + 0.2, 1e-9])]
        write_results(self.path, results, complete=True)
        self.assertEqual(self._read(), self._columns(*results))
        write_results(self.path, results[:1], complete=True)  # A shorter list replaces a longer one.
        self.assertEqual(self._read(), self._columns(*results[:1]))

    def test_a_run_on_its_way_back_to_where_it_was_killed_takes_no_row_away(self):
        write_results(self.path, [NONE, WEAK], complete=False)
        write_results(self.path, [NONE], complete=False)
        self.assertEqual(self._read(), self._columns(NONE, WEAK))
        write_results(self.path, [NONE, SPL_B], complete=False)  # Not what was there: another run.
        self.assertEqual(self._read(), self._columns(NONE, SPL_B))

    def test_a_protocol_without_top_1_shows_its_own_number_alone(self):
        result = dataclasses.replace(
            NONE, metrics={"mean_average_precision": 0.25}, main_metric="mean_average_precision"
        )
        header, _, row = format_table([result]).splitlines()
        self.assertEqual(header.split("|")[5:7], ["  mAP (%) "[1:], " minutes "])
        self.assertEqual(row.split("|")[5].strip(), "25.0")

    def test_csv_columns_are_those_of_every_table_and_further_metrics(self):
        write_results(self.path, [NONE], complete=True)
        self.assertEqual(
            self.path.read_text().splitlines(),
            [
                "strategy,seed,round,classes,clips,noise_ratio,samples_cover_ratio,top_1,top_5,mean_average_precision,seconds",
                "none,0,1,0,0,,,0.5,0.9,,30.0",
            ],
        )
        write_results(self.path, [NONE, dataclasses.replace(NONE, metrics={"recall": 0.5})], complete=True)
        header, first, second = self.path.read_text().splitlines()
        self.assertEndsWith(header, ",mean_average_precision,seconds,recall")
        self.assertEqual((first, second), ("none,0,1,0,0,,,0.5,0.9,,30.0,", "none,0,1,0,0,,,,,,30.0,0.5"))
