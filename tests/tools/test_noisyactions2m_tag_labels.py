"""More labels from tags, title and description: whole words in their base form, and everything added is listed."""

import pathlib

import tensorflow as tf
from absl.testing import parameterized

from tests.commands import run_command
from tests.tools import noisyactions2m_table as made
from tests.written import csv_rows
from tools.noisyactions2m import lists, tag_labels
from tools.noisyactions2m.class_matcher import ClassMatcher

_CLASSES = {1: "playing guitar", 2: "run", 3: "Dog", 4: "dogs", 5: "guitar", 6: "#", 7: "Music video"}


class ClassMatcherTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        ("She plays guitars in the park", {1, 5}),
        ("a guitar played", {5}),
        ("played, guitar", {1, 5}),
        ("RUNNING DOGS", {2, 3, 4}),
        ("runway dogma", set()),
        ("music and video", set()),
        ("my music\nvideos", {7}),
        ("", set()),
        ("#", set()),
    )
    def test_classes_in_a_text(self, text, expected):
        self.assertEqual(ClassMatcher(_CLASSES).in_text(text), expected)

    @parameterized.parameters(
        (["playingguitar"], {1}),
        (["PlayGuitar"], {1, 5}),
        (["musicvideo", "running"], {2, 7}),
        (["playing", "guitar"], {5}),
        (["guitarplaying"], set()),
        ([], set()),
    )
    def test_classes_in_tags(self, tags, expected):
        self.assertEqual(ClassMatcher(_CLASSES).in_tags(tags), expected)

    def test_short_names_are_passed_over(self):
        matcher = ClassMatcher(_CLASSES, least_words=2)
        self.assertEqual(matcher.in_text("running dogs, playing guitar"), {1})
        self.assertEqual(matcher.in_tags(["guitar"]), set())


class TagLabelsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        lists.write_classes(self.folder / "c.txt", _CLASSES)
        rows = [
            made.row("flickr/1", title="Guitars", tags=["playing guitar", "x"], description="a dog, a guitar"),
            made.row("flickr/2", title="not in the list: dog"),
            made.row("flickr/3", comments=["run, dog"]),
            made.row("flickr/4", title="running"),
        ]
        made.write(self.folder / "m.parquet", rows)
        (self.folder / "l.txt").write_text("4 2\n3 1\n1 2\n9 1\n", encoding="utf-8")

    def execute(self, *arguments):
        given = [f"--{name}={self.folder}/{file}" for name, file in (("metadata", "m.parquet"), ("classes", "c.txt"))]
        return run_command(
            tag_labels, *given, f"--labels={self.folder}/l.txt", f"--output={self.folder}/out", *arguments
        )

    def test_new_labels_stand_behind_the_old_and_are_listed(self):
        code, out, err = self.execute()
        self.assertEqual(code, 0, err)
        # The guitar is in three fields, the others in one.
        self.assertEqual((self.folder / "out/l.more.txt").read_text(), "4 2\n3 1\n1 2|5|1|3|4\n9 1\n")
        self.assertIn("4 labels added to 1 videos (tags 2, title 1, description 3)", out)
        self.assertIn("1.00 -> 2.00 labels a video", out)
        self.assertIn("video not in the metadata 1", out)
        listed = [tuple(row.values()) for row in csv_rows(self.folder / "out/more_labels_videos.csv")]
        self.assertEqual(listed[0], ("1", "5", "guitar", "tags|title|description"))
        self.assertEqual(listed[1], ("1", "1", "playing guitar", "tags"))
        self.assertLen(listed, 4)
        table = {row["class"]: tuple(row.values())[2:] for row in csv_rows(self.folder / "out/more_labels.csv")}
        self.assertEqual(table["guitar"], ("0", "1", "1", "1", "1"))
        self.assertEqual(table["run"], ("2", "0", "0", "0", "0"))

    @parameterized.parameters(
        ("--fields=title", "1 2|5\n"), ("--least_words=2", "1 2|1\n"), ("--fields=comments", "3 1|2|3|4\n")
    )
    def test_options_say_where_to_look_and_for_what(self, argument, line):
        self.assertEqual(self.execute(argument)[0], 0)
        self.assertIn(line, (self.folder / "out/l.more.txt").read_text())

    def test_a_field_that_is_none_is_named(self):
        code, _, err = self.execute("--fields=tag")
        self.assertEqual(code, 2)
        self.assertIn("'tag' is none of tags, title, description, comments", err)


if __name__ == "__main__":
    tf.test.main()
