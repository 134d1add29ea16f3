"""Lists without a header, as mmaction2 writes them, and labels that are numbers."""

import contextlib
import io
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.lists.labels import class_ids
from spl_tf.data.manifest import Video, read_manifest
from spl_tf.errors import UserError

CLASSES = ("archery", "playing piano", "surfing")


class PlainListsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("some/a.mp4", "some/b.mp4", "some/my clip.v2.mp4", "frames.d/x/1.jpg", "frames.d/y/1.jpg"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(b"video")

    def read(self, text, name="list.txt", label_column="label", **options):
        (self.folder / name).write_text(text)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            entries = read_manifest(self.folder / name, CLASSES, label_column, **options)
        self.printed = printed.getvalue()
        return [
            (entry.listed_path, entry.labels) if isinstance(entry, Video) else (entry.path, entry.reason)
            for entry in entries
        ]

    @parameterized.named_parameters(
        ("blanks", "some/a.mp4 0\nsome/b.mp4 2\n", "list.txt"),
        ("tabs", "some/a.mp4\t0\nsome/b.mp4\t2\n", "list.txt"),
        ("commas", "some/a.mp4,0\nsome/b.mp4,2\n", "list.csv"),
        ("semicolons", "some/a.mp4;0\nsome/b.mp4;2\n", "list.csv"),
        ("names", "some/a.mp4 archery\nsome/b.mp4 surfing\n", "list.txt"),
        ("under a header", "path,label\nsome/a.mp4,0\nsome/b.mp4,2.0\n", "list.csv"),
    )
    def test_a_line_is_path_and_label(self, text, name):
        expected = [("some/a.mp4", (0,)), ("some/b.mp4", (2,))]
        self.assertEqual(self.read(text, name), expected)
        if name != "list.csv" or not text.startswith("path"):
            self.assertEqual(self.read(text, name, label_column="query"), expected)

    def test_paths_and_class_names_may_have_blanks(self):
        self.assertEqual(
            self.read("some/my clip.v2.mp4 playing piano\nsome/a.mp4 surfing\n"),
            [("some/my clip.v2.mp4", (1,)), ("some/a.mp4", (2,))],
        )

    def test_a_line_may_have_several_labels(self):
        self.assertEqual(self.read("some/a.mp4 0 2\nsome/b.mp4 1\n"), [("some/a.mp4", (0, 2)), ("some/b.mp4", (1,))])

    def test_folders_of_frames_have_their_count_before_the_label(self):
        lines = "frames.d/x 163 1\nframes.d/y 122 0 2\n"
        self.assertEqual(self.read(lines, frames_fps=25.0), [("frames.d/x", (1,)), ("frames.d/y", (0, 2))])
        self.assertIn("2 counts of frames are not used", self.printed)
        self.assertIn("needs a column 'fps' or --frames_fps", self.read(lines)[0][1])

    @parameterized.named_parameters(
        ("count or label", "some/a.mp4 300 1\nsome/b.mp4 120 2\n", "every line of .* is 'path number number'"),
        ("further columns", "some/a.mp4,archery,12.5,t\n", "line 1 of .* has 4 cells"),
        ("header of other names", "file,label\nsome/a.mp4,archery\n", r"no column 'path' \(it has file, label\)"),
        ("from one", "some/a.mp4 1\nsome/b.mp4 3\n", "numbers up to 3 without 0, of 3 classes.* subtract 1"),
    )
    def test_what_can_be_meant_in_two_ways_is_refused(self, text, message):
        with self.assertRaisesRegex(UserError, message):
            self.read(text)

    def test_ids_are_read_from_0_and_that_is_said(self):
        self.assertEqual(
            self.read("some/a.mp4 0\nsome/b.mp4 3\n"),
            [("some/a.mp4", (0,)), ("some/b.mp4", "unknown label '3' (class ids are 0 to 2)")],
        )
        self.assertIn("read as class ids from 0: 0 is 'archery'\n", self.printed)
        self.assertEqual(self.read("some/a.mp4 1\nsome/b.mp4 2\n"), [("some/a.mp4", (1,)), ("some/b.mp4", (2,))])
        self.assertIn("1 is 'playing piano'; no label is 0: if they count from 1, subtract 1", self.printed)

    def test_a_name_among_the_labels_makes_all_of_them_names(self):
        self.assertEqual(
            self.read("some/a.mp4 archery\nsome/b.mp4 0\n"), [("some/a.mp4", (0,)), ("some/b.mp4", "unknown label '0'")]
        )

    @parameterized.parameters(
        (("1", "2", "3"), "012", True),
        (("0", "1", "2"), "123", True),
        (("0", "1", "2"), "13", True),
        (("0", "1", "2"), "12", False),
        (("0", "1", "2"), "0123", False),
        (("1", "2", "3"), "12", False),
        (("10", "20"), "12", False),
    )
    def test_numbers_that_are_off_by_one_from_classes_named_by_numbers_are_refused(self, classes, labels, refused):
        if refused:
            with self.assertRaisesRegex(UserError, "count both from the same number"):
                class_ids(set(labels), classes, "m.csv")
        else:
            self.assertEqual(class_ids(set(labels), classes, "m.csv"), {name: i for i, name in enumerate(classes)})
