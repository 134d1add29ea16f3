"""Classes with more than 10 videos and their lists, from metadata and the query list."""

import collections
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from tests.commands import run_command
from tests.tools import noisyactions2m_table as made
from tests.written import csv_rows
from tools.noisyactions2m import classes, lists, query_rows

_QUERIES = "query,kind,origins\nbox,class,UCF101:Boxing\nrun,class,\na man run,sentence,\njump,class,\nsit,class,\n"


class ClassesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        (self.folder / "queries.csv").write_text(_QUERIES, encoding="utf-8")

    def execute(self, *arguments):
        given = (f"--metadata={self.folder}/m.parquet", f"--queries={self.folder}/queries.csv")
        return run_command(classes, *given, f"--output={self.folder}/lists", *arguments)

    def random_rows(self, number):
        rng = np.random.default_rng(0)
        names = ["box", "run", "a man run", "jump", "sit", "not in the list"]
        chances = [0.5, 0.3, 0.2, 0.1, 0.04, 0.1]
        rows = []
        for place in range(number):
            found = [name for name, chance in zip(names, chances, strict=True) if rng.random() < chance]
            rows.append(made.row(f"flickr/{100 + place}", queries=found))
        return rows

    @parameterized.parameters(0, 10, 25)
    def test_classes_with_more_videos_than_the_limit_against_counting_by_hand(self, more_than):
        rows = self.random_rows(150)
        made.write(self.folder / "m.parquet", rows, rows_per_group=40)
        code, out, err = self.execute(f"--more_than={more_than}")
        self.assertEqual(code, 0, err)

        counts = collections.Counter(entry["query"] for row in rows for entry in row["queries"])
        kept = [name for name in ("box", "run", "jump", "sit") if counts[name] > more_than]
        self.assertEqual(lists.read_classes(self.folder / "lists/classInd.txt"), dict(enumerate(kept, 1)))
        expected = []
        for row in rows:
            found = {entry["query"] for entry in row["queries"]}
            if labels := tuple(place for place, name in enumerate(kept, 1) if name in found):
                expected.append((row["id"], labels))
        report = []
        read = lists.read_labels(self.folder / "lists/trainlist.txt", dict(enumerate(kept, 1)), report)
        self.assertEqual((read, report), (expected, []))
        self.assertIn(f"{len(kept)} classes, {len(expected)} videos", out)
        left_out = csv_rows(self.folder / "lists/left_out.csv")
        self.assertLen(left_out, len(rows) - len(expected))
        for row in csv_rows(self.folder / "lists/classes.csv"):
            self.assertEqual(int(row["videos"]), counts[row["class"]])
            self.assertEqual(bool(row["id"]), row["class"] in kept)

    def test_the_single_label_is_one_of_the_video_s_and_decided_by_the_seed(self):
        made.write(self.folder / "m.parquet", self.random_rows(150))
        drawn = []
        for seed in (0, 0, 1):
            self.assertEqual(self.execute(f"--seed={seed}")[0], 0)
            drawn.append((self.folder / "lists/trainlist_single.txt").read_bytes())
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])
        known = lists.read_classes(self.folder / "lists/classInd.txt")
        several = dict(lists.read_labels(self.folder / "lists/trainlist.txt", known, []))
        single = dict(lists.read_labels(self.folder / "lists/trainlist_single.txt", known, []))
        self.assertEqual(list(single), list(several))
        for video, (label,) in single.items():
            self.assertIn(label, several[video])

    def test_single_labels_are_drawn_evenly(self):
        rows = [made.row(f"flickr/{place:04}", queries=["box", "jump"]) for place in range(2000)]
        made.write(self.folder / "m.parquet", rows, rows_per_group=1000)
        self.assertEqual(self.execute()[0], 0)
        text = (self.folder / "lists/trainlist_single.txt").read_text()
        self.assertNear(text.count(" 1\n"), 1000, 120)  # More than five standard deviations.

    def test_an_id_on_two_sites_is_refused_and_keys_are_not(self):
        made.write(self.folder / "m.parquet", [made.row(f"{site}/7", queries=["box"]) for site in ("flickr", "other")])
        code, _, err = self.execute("--more_than=0")
        self.assertEqual(code, 2)
        self.assertIn("several videos with the id 7", err)
        self.assertEqual(self.execute("--more_than=0", "--video_names=key")[0], 0)
        self.assertEqual((self.folder / "lists/trainlist.txt").read_text(), "flickr/7 1\nother/7 1\n")

    def test_a_video_that_was_found_with_a_class_s_own_name_has_the_class(self):
        found = [["Boxing"], ["BOX"], ["runs", "run"], ["a man runs"], ["jumper"], [None]]
        rows = [made.row(f"flickr/{place}", queries=texts) for place, texts in enumerate(found)]
        made.write(self.folder / "m.parquet", rows)
        self.assertEqual(self.execute("--more_than=0")[0], 0)
        self.assertEqual((self.folder / "lists/trainlist.txt").read_text(), "0 1\n1 1\n2 2\n")

    def test_a_text_is_itself_before_it_is_another_s_form(self):
        lookup = query_rows.Lookup(["Rose", "rose", "dive"])
        texts = ("Rose", "rose", "ROSE", "Diving", "", "roses")
        self.assertEqual([lookup.find(text) for text in texts], ["Rose", "rose", "rose", "dive", None, "rose"])

    def test_every_video_without_a_line_is_listed_with_its_reason(self):
        rows = [
            made.row("flickr/a b", queries=["box"]),
            made.row("flickr/c", queries=["box", "box"]),
            made.row("flickr/d", queries=["box", "run"]),
            made.row("flickr/e", queries=[]),
            made.row("flickr/f", queries=["jump"]),
        ]
        made.write(self.folder / "m.parquet", rows)
        code, out, err = self.execute("--more_than=1")
        self.assertEqual(code, 0, err)
        self.assertEqual((self.folder / "lists/trainlist.txt").read_text(), "c 1\nd 1\n")
        found = [(row["video"], row["reason"]) for row in csv_rows(self.folder / "lists/left_out.csv")]
        self.assertEqual(
            found,
            [
                ("a b", "a name that is empty or has a space"),
                ("e", "found with no class"),
                ("f", "only classes with at most 1 videos"),
            ],
        )
        self.assertIn("3 videos left out: see left_out.csv", out)

    @parameterized.parameters(0, 1)
    def test_a_table_without_a_class_is_refused(self, number):
        made.write(self.folder / "m.parquet", self.random_rows(number))
        code, _, err = self.execute()
        self.assertEqual(code, 2)
        self.assertIn("none of the 4 classes has more than 10 videos", err)

    @parameterized.parameters(
        ("", ()),
        ("UCF101:Boxing", (("UCF101", "Boxing"),)),
        (r"A\|B:x\:y|C:z\\", (("A|B", "x:y"), ("C", "z\\"))),
    )
    def test_origins_are_read(self, cell, expected):
        self.assertEqual(query_rows.origins(cell), expected)

    @parameterized.parameters("UCF101", "a:b:c", "a:", ":b", "a:b|", "a:b\\")
    def test_origins_that_are_none_are_refused_with_their_row(self, cell):
        (self.folder / "queries.csv").write_text(f"query,kind,origins\nbox,class,{cell}\n", encoding="utf-8")
        with self.assertRaisesRegex(UserError, "row 1 of .*origins"):
            query_rows.read(self.folder / "queries.csv")


if __name__ == "__main__":
    tf.test.main()
