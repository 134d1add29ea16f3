"""Files are whole or absent."""

import os
import pathlib

import tensorflow as tf

from spl_tf import files
from spl_tf.errors import UserError


class AtomicPathTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_an_interrupted_write_leaves_the_old_content_and_no_rest(self):
        path = self.folder / "a.json"
        files.write_json(path, {"old": 1})
        with self.assertRaises(KeyboardInterrupt), files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
        self.assertEqual(files.read_json(path, ""), {"old": 1})
        self.assertEqual(os.listdir(self.folder), ["a.json"])

    def test_missing_folders_are_made(self):
        files.write_text(self.folder / "x" / "y" / "a.txt", "ü")
        self.assertEqual((self.folder / "x" / "y" / "a.txt").read_text(encoding="utf-8"), "ü")

    def test_a_damaged_json_file_is_named_with_the_way_out(self):
        (self.folder / "a.json").write_text('{"half":')
        with self.assertRaisesRegex(UserError, r"a\.json is damaged .*: run it again"):
            files.read_json(self.folder / "a.json", "run it again")
        with self.assertRaisesRegex(UserError, r"b\.json does not exist: run it first"):
            files.read_json(self.folder / "b.json", "run it first")
