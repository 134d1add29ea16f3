"""Held-out videos are kept out by id, or by file name where a manifest has no ids."""

import json
import math
import pathlib

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

    def test_where_the_file_is_not_there_names_are_compared_with_ids_and_paths(self):
        test = self._write("test.csv", "path,label\nelsewhere/b.avi,x\nid3.mp4,x\n")
        web = self._write("web.csv", "path,label,video_id\na.mp4,x,id1\nb.mp4,x,id2\nc.mp4,x,id3\nd.mp4,x,\n")
        self.assertEqual(
            self.outcome_of(web, test),
            [
                "kept",
                "held out by name (elsewhere/b.avi is in test.csv; contents were not compared)",
                "held out by name (id3.mp4 is in test.csv; contents were not compared)",
                "kept",
            ],
        )

    def test_with_ids_on_both_sides_equal_file_names_are_no_reason(self):
        test = self._write("test.csv", "path,label,video_id\nelsewhere/a.mp4,x,t1\nid2.mp4,x,id3\n")
        web = self._write("web.csv", "path,label,video_id\na.mp4,x,id1\nb.mp4,x,id2\nc.mp4,x,id3\nd.mp4,x,t2\n")
        self.assertEqual(self.outcome_of(web, test), ["kept", "kept", "held out (id3 is in test.csv)", "kept"])

    def test_without_ids_among_the_web_videos_their_paths_are_compared_with_ids_and_paths(self):
        test = self._write("test.csv", "path,label,video_id\nelsewhere/a.mp4,x,t1\n,x,b\n")
        web = self._write("web.csv", "path,label\na.mp4,x\nb.mp4,x\nc.mp4,x\n")
        self.assertEqual(
            self.outcome_of(web, test),
            [
                "held out by name (elsewhere/a.mp4 is in test.csv; contents were not compared)",
                "held out by name (b is in test.csv; contents were not compared)",
                "kept",
            ],
        )

    def test_equal_names_in_other_folders_are_other_videos(self):
        for folder in ("test", "train/a", "train/test"):
            (self.folder / folder).mkdir(parents=True)
            (self.folder / folder / "24.mp4").write_text(f"a file of {folder}")
        web = self._write("web.csv", "path,label\ntrain/a/24.mp4,x\ntrain/test/24.mp4,x\n./test/24.mp4,x\n")
        test = self._write("test.csv", "path,label\ntest/24.mp4,x\n")
        same = "held out (same file as test/24.mp4 of test.csv)"
        self.assertEqual(self.outcome_of(web, test), ["kept", "kept", same])
        # Lists of their own folders name both files alike, and still they are two.
        test, web = self._write("test/t.csv", "path,label\n24.mp4,x\n"), self._write("train/w.csv", "path\na/24.mp4\n")
        self._write("train/w.csv", "path,label\na/24.mp4,x\n")
        self.assertEqual(self.outcome_of(web, test), ["kept"])

    def test_where_contents_are_not_compared_a_path_that_ends_in_the_other_is_held_out(self):
        (self.folder / "test").mkdir()
        (self.folder / "test/a.mp4").write_text("a file of test")
        web = self._write("web.csv", "path,label\na.mp4,x\nb.mp4,x\n")
        test = self._write("test.csv", "path,label\ntest/a.mp4,x\nelse/b.mp4,x\n")
        entries, known = read_manifest(web, ["x"], "label"), read_held_out([test], compares_contents=False)
        checked, _ = reject_held_out(entries, known)
        self.assertEqual([entry.kind for entry in checked], ["held out by name"] * 2)
        self.assertEqual(
            [(entry.partner, entry.distance) for entry in checked], [("test/a.mp4", None), ("else/b.mp4", None)]
        )

    def test_segments_of_an_upload_are_held_out_with_it(self):
        web = self._write(
            "web.csv",
            "path,label,video_id,start,end,address\na.mp4,x,v,0,5,\na.mp4,x,v,5,9,youtu.be/x\nb.mp4,x,w,0,5,\nb.mp4,x,w,5,9,\n",
        )
        for content, kept in (
            ("video_id\nv\n", (False, True)),
            ("address\nyoutube.com/watch?v=x\n", (False, True)),
            ("video_id\nw#5-9\n", (True, False)),
        ):
            outcome = self.outcome_of(web, self._write("test.csv", content))
            self.assertEqual([reason == "kept" for reason in outcome], [kept[0], kept[0], kept[1], kept[1]])

    @parameterized.parameters(
        (
            "address\nhttps://youtu.be/xyz\n",
            "youtube.com/watch?v=xyz",
            "held out (youtube.com/watch?v=xyz is in test.csv)",
        ),
        (
            "path\nelsewhere/a.avi\n",
            "elsewhere/a.avi",
            "held out by name (elsewhere/a.avi is in test.csv; contents were not compared)",
        ),
    )
    def test_an_upload_is_held_out_with_all_its_rows(self, content, name, reason):
        test = self._write("test.csv", content)
        rows = "b.mp4,x,id1,\na.mp4,x,id1,watch?v=xyz\nb.mp4,x,id1,\nc.mp4,x,id2,\nd.mp4,x,id3,watch?v=abc\n"
        web = self._write("web.csv", f"path,label,video_id,address\n{rows}")
        self.assertEqual(self.outcome_of(web, test), [reason, reason, reason, "kept", "kept"])
        _, found = reject_held_out(read_manifest(web, ["x"], "label"), read_held_out([test]))
        self.assertEqual(
            found,
            [HeldOutFile(str(self.folder / f"{file}.mp4"), name, (0.0, math.inf), "test.csv") for file in ("b", "a")],
        )

    def test_a_list_without_a_header_and_a_folder_name_videos_too(self):
        (self.folder / "test/x").mkdir(parents=True)
        (self.folder / "test/x/c.mp4").write_text("a file of test")
        web = self._write("web.csv", "path,label\na.mp4,x\nb.mp4,x\ntest/x/c.mp4,x\n")
        plain = self._write("test.txt", "b.mp4\nelsewhere/d.mp4\n")
        self.assertEqual(
            [reason.split(" (")[0] for reason in self.outcome_of(web, plain, self.folder / "test")],
            ["kept", "held out", "held out"],
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
                "held out by name (678.5",
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

    def test_a_missing_list_is_named(self):
        with self.assertRaisesRegex(UserError, "nowhere.csv is no file: check --exclude"):
            read_held_out([self.folder / "nowhere.csv"])
