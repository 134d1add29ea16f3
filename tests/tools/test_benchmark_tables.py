"""Tables of measurements: what a benchmark appends is what BENCHMARKS.md shows."""

import pathlib
import sys
from unittest import mock

from absl.testing import absltest

from tests.commands import run_command
from tools.benchmark import record, tables
from tools.study.results import read_rows


class TablesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.results = self.folder / "benchmarks.jsonl"

    def test_a_later_table_of_a_name_takes_the_place_of_the_earlier(self):
        self._publish("networks", "training", "1.00")
        self._publish("labels", "9 pairs", "7.00")
        self._publish("networks", "inference", "2.00")
        self._publish("networks", "training", "3.00")
        code, _, errors = self._tables()
        self.assertEqual((code, errors), (0, ""))
        page = (self.folder / "B.md").read_text()
        shown = [word for word in page.replace("|", " ").split() if word in ("1.00", "2.00", "3.00", "7.00")]
        self.assertEqual(shown, ["3.00", "2.00", "7.00"])
        self.assertLess(page.index("## networks.py: a network's training step"), page.index("## labels.py: labels"))

    def test_a_table_says_how_and_where_it_was_measured(self):
        self._publish("networks", "training", "1.00", "--rounds=3", f"--results={self.results}")
        (row,) = read_rows(self.results)
        self.assertEqual(row["command"], "python -m tools.benchmark.networks --rounds=3")
        self.assertEqual(row["machine"], record.machine())
        self.assertIn("core", row["machine"])
        self.assertIn("tensorflow", row["versions"])
        self.assertEqual((row["headers"], row["rows"]), (["program", "seconds"], [["spl_tf", "1.00"]]))

    def test_without_tables_no_page_is_written(self):
        code, _, errors = self._tables()
        self.assertEqual(code, 2)
        self.assertIn("has no tables", errors)
        self.assertFalse((self.folder / "B.md").exists())

    def _publish(self, benchmark, table, seconds, *arguments):
        with mock.patch.object(sys, "argv", ["program", *arguments]), mock.patch("builtins.print"):
            record.publish(benchmark, table, ["program", "seconds"], [["spl_tf", seconds]], results=str(self.results))

    def _tables(self):
        return run_command(tables, f"--results={self.results}", f"--output={self.folder / 'B.md'}")


if __name__ == "__main__":
    absltest.main()
