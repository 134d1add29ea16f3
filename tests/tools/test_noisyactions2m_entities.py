"""Scores of the user's own classifier: each text once, and after a stop only what is missing."""

import pathlib
import sys
import types

import tensorflow as tf
from absl.testing import parameterized

from tests.commands import run_command
from tests.tools import noisyactions2m_table as made
from tests.written import csv_rows
from tools.noisyactions2m import entities, entity_counts, statistics


class EntitiesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.calls = []
        module = types.ModuleType("made_plugin")
        module.score, module.wrong, module.number = self.score, self.wrong, 3
        sys.modules["made_plugin"] = module
        self.addCleanup(sys.modules.pop, "made_plugin")
        rows = [
            made.row("flickr/1", title="a dog runs", concepts=["run", "dog"]),
            made.row("flickr/2", title=" ", concepts=[]),
            made.row("flickr/3", title=None, concepts=["dog"]),
            made.row("flickr/4", title="Sunset"),
        ]
        made.write(self.folder / "m.parquet", rows)

    def score(self, texts):
        self.calls.append(texts)
        return [{"Animals": 0.9 if "dog" in text else 0.1, "Sports": 0.8 if "run" in text else 0.0} for text in texts]

    def wrong(self, texts):
        return self.answer

    def execute(self, *arguments, plugin="made_plugin:score"):
        given = (f"--metadata={self.folder}/m.parquet", f"--output={self.folder}/scores", f"--plugin={plugin}")
        return run_command(entities, *given, *arguments)

    def test_each_text_is_scored_and_the_scores_counted(self):
        code, _, err = self.execute("--texts_at_once=2")
        self.assertEqual(code, 0, err)
        self.assertCountEqual(
            [text for call in self.calls for text in call], ["a dog runs", "Sunset", "run, dog", "dog"]
        )
        self.assertLessEqual(max(map(len, self.calls)), 2)
        rows = [row for batch in entity_counts.read_scores(self.folder / "scores") for row in batch.to_pylist()]
        self.assertLen(rows, 8)
        self.assertIn({"video": "flickr/3", "attribute": "concepts", "entity": "Animals", "score": 0.9}, rows)
        code, _, err = run_command(
            statistics,
            f"--metadata={self.folder}/m.parquet",
            f"--output={self.folder}/out",
            f"--entities={self.folder}/scores",
        )
        self.assertEqual(code, 0, err)
        found = [tuple(row.values()) for row in csv_rows(self.folder / "out/entities.csv")]
        self.assertEqual(found, [("Animals", "2", "0.6667"), ("Sports", "1", "0.3333")])
        self.assertTrue((self.folder / "out/entities.png").exists())
        table = {row["statistic"]: row for row in csv_rows(self.folder / "out/statistics.csv")}
        row = table["Average # Entities per video"]
        self.assertEqual((row["value"], row["over_all_videos"]), ("1.0", "0.75"))

    def test_a_part_that_is_there_is_not_scored_again(self):
        self.assertEqual(self.execute()[0], 0)
        before = {path: path.stat().st_mtime_ns for path in (self.folder / "scores").glob("part-*")}
        self.calls.clear()
        code, out, _ = self.execute()
        self.assertEqual((code, self.calls), (0, []))
        self.assertIn(f"0 parts scored, {len(before)} were there", out)
        self.assertEqual({path: path.stat().st_mtime_ns for path in before}, before)
        next(iter(before)).unlink()
        self.assertEqual(self.execute()[0], 0)
        self.assertNotEmpty(self.calls)
        self.assertTrue(all(path.exists() for path in before))

    @parameterized.parameters(
        ("--attributes=title", "scores of other settings"),
        ("--attributes=titel", "'titel' is none of title"),
        ("--texts_at_once=0", "texts_at_once"),
    )
    def test_other_settings_are_refused(self, argument, message):
        self.assertEqual(self.execute()[0], 0)
        code, _, err = self.execute(argument)
        self.assertEqual(code, 2)
        self.assertIn(message, err)

    @parameterized.parameters("made_plugin", "made_plugin:none", "made_plugin:number", "no_such_module:score", ":score")
    def test_a_name_that_is_no_function_is_refused(self, name):
        code, _, err = self.execute(plugin=name)
        self.assertEqual(code, 2)
        self.assertIn("MODULE:FUNCTION", err)

    @parameterized.parameters(
        ([{"a": 0.5}],),
        ([{"a": 0.5}] * 3,),
        ([{"a": 1.5}] * 2,),
        ([{"a": float("nan")}] * 2,),
        ([{"a": "much"}] * 2,),
        ([0.5, 0.5],),
        (None,),
    )
    def test_an_answer_that_is_no_scores_is_refused(self, answer):
        self.answer = answer
        code, _, err = self.execute(plugin="made_plugin:wrong")
        self.assertEqual(code, 2)
        self.assertIn("let it return a list of 2 dictionaries", err)
        self.assertEmpty(list((self.folder / "scores").glob("*.parquet")))


if __name__ == "__main__":
    tf.test.main()
