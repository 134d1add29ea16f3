"""Held-out videos are kept out by id and by file name."""

import pathlib

import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.held_out import held_out_ids, reject_held_out
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

    def test_same_id_or_same_file_name_is_rejected_with_the_list_it_is_in(self):
        test = self._write("test.csv", "path,label,video_id\nelsewhere/b.mp4,x,\nother.mp4,x,id3\n")
        web = self._write("web.csv", "path,label,video_id\na.mp4,x,id1\nb.mp4,x,id2\nc.mp4,x,id3\nd.mp4,x,other\n")
        checked = reject_held_out(read_manifest(web, ["x"], "label"), held_out_ids([test]))
        self.assertEqual(
            [entry.reason if isinstance(entry, Rejection) else "kept" for entry in checked],
            ["kept", "held out (b is in test.csv)", "held out (id3 is in test.csv)", "held out (other is in test.csv)"],
        )

    def test_the_four_test_videos_among_the_web_videos_of_ucf6_are_found(self):
        data = pathlib.Path(__file__).parents[2].parent / "shared/data/ucf6"
        if not data.is_dir():
            pytest.skip("optional local data ucf6 is absent")
        classes = (data / "classes.txt").read_text().split("\n")[:6]
        checked = reject_held_out(read_manifest(data / "web.csv", classes, "query"), held_out_ids([data / "test.csv"]))
        self.assertLen([entry for entry in checked if isinstance(entry, Rejection)], 4)

    def test_a_missing_list_is_named(self):
        with self.assertRaisesRegex(UserError, "nowhere.csv is no file"):
            held_out_ids([self.folder / "nowhere.csv"])
