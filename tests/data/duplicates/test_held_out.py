"""Held-out videos are kept out by id, or by file name where a manifest has no ids."""

import json
import math
import pathlib

import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.duplicates.held_out import HeldOutFile, read_held_out, reject_held_out
from spl_tf.data.manifest import Rejection, read_manifest
from spl_tf.errors import UserError


class HeldOutTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("a", "b", "c", "d"):
            (self.folder / f"{name}.mp4").write_text("a file")

    def _write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def outcome_of(self, web, *lists):
        checked, _ = reject_held_out(read_manifest(web, ["x"], "label"), read_held_out(lists))
        return [entry.reason if isinstance(entry, Rejection) else "kept" for entry in checked]

    def test_without_ids_in_the_list_its_file_names_are_compared_with_ids_and_file_names(self):
        test = self._write("test.csv", "path,label\nelsewhere/b.avi,x\nid3.mp4,x\n")
        web = self._write("web.csv", "path,label,video_id\na.mp4,x,id1\nb.mp4,x,id2\nc.mp4,x,id3\nd.mp4,x,\n")
        self.assertEqual(
            self.outcome_of(web, test), ["kept", "held out (b is in test.csv)", "held out (id3 is in test.csv)", "kept"]
        )

    def test_with_ids_on_both_sides_equal_file_names_are_no_reason(self):
        test = self._write("test.csv", "path,label,video_id\nelsewhere/a.mp4,x,t1\nid2.mp4,x,id3\n")
        web = self._write("web.csv", "path,label,video_id\na.mp4,x,id1\nb.mp4,x,id2\nc.mp4,x,id3\nd.mp4,x,t2\n")
        self.assertEqual(self.outcome_of(web, test), ["kept", "kept", "held out (id3 is in test.csv)", "kept"])

    def test_without_ids_among_the_web_videos_their_file_names_are_compared_with_ids_and_file_names(self):
        test = self._write("test.csv", "path,label,video_id\nelsewhere/a.mp4,x,t1\nother.mp4,x,b\n")
        web = self._write("web.csv", "path,label\na.mp4,x\nb.mp4,x\nc.mp4,x\n")
        self.assertEqual(
            self.outcome_of(web, test), ["held out (a is in test.csv)", "held out (b is in test.csv)", "kept"]
        )

    @parameterized.parameters(
        ("address\nhttps://youtu.be/xyz\n", "youtube.com/watch?v=xyz"),
        ("path\nelsewhere/a.avi\n", "a"),
    )
    def test_an_upload_is_held_out_with_all_its_rows(self, content, name):
        test = self._write("test.csv", content)
        rows = "b.mp4,x,id1,\na.mp4,x,id1,watch?v=xyz\nb.mp4,x,id1,\nc.mp4,x,id2,\nd.mp4,x,id3,watch?v=abc\n"
        web = self._write("web.csv", f"path,label,video_id,address\n{rows}")
        reason = f"held out ({name} is in test.csv)"
        self.assertEqual(self.outcome_of(web, test), [reason, reason, reason, "kept", "kept"])
        _, found = reject_held_out(read_manifest(web, ["x"], "label"), read_held_out([test]))
        self.assertEqual(
            found,
            [HeldOutFile(str(self.folder / f"{file}.mp4"), name, (0.0, math.inf), "test.csv") for file in ("b", "a")],
        )

    def test_names_are_read_as_the_manifest_reads_them(self):
        rows = [{"video_id": 12345}, {"path": 678.5}, {"path": None, "video_id": "abc"}]
        lists = [
            self._write("one.jsonl", "\n".join(map(json.dumps, rows))),
            self._write("two.csv", "video_id,path\n def , folder/ghi.mp4 \n"),
        ]
        web = self._write(
            "web.jsonl",
            "\n".join(
                json.dumps({"path": "a.mp4", "label": "x", "video_id": video_id})
                for video_id in ("12345", 678, " abc ", "def", "ghi")
            ),
        )
        self.assertEqual(
            [reason.split(" is ")[0] for reason in self.outcome_of(web, *lists)],
            [
                "held out (12345",
                "held out (678",
                "held out (abc",
                "held out (def",
                "kept",
            ],
        )

    @parameterized.parameters("", "path,label\n", "name,label\na.mp4,x\n", "path,video_id,label\n, ,x\n")
    def test_a_list_that_names_no_video_is_refused(self, content):
        test = self._write("test.csv", content)
        with self.assertRaisesRegex(
            UserError, "test.csv names no video: .* needs a column 'video_id', 'path' or 'address'"
        ):
            read_held_out([test])

    def test_the_four_test_videos_among_the_web_videos_of_ucf6_are_found(self):
        data = pathlib.Path(__file__).parents[3].parent / "shared/data/ucf6"
        if not data.is_dir():
            pytest.skip("optional local data ucf6 is absent")
        classes = (data / "classes.txt").read_text().split("\n")[:6]
        entries = read_manifest(data / "web.csv", classes, "query")
        checked, _ = reject_held_out(entries, read_held_out([data / "test.csv"]))
        self.assertLen([entry for entry in checked if isinstance(entry, Rejection)], 4)

    def test_a_missing_list_is_named(self):
        with self.assertRaisesRegex(UserError, "nowhere.csv is no file: check --exclude"):
            read_held_out([self.folder / "nowhere.csv"])
