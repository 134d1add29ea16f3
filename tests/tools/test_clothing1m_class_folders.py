"""Sets in folders named by class become the manifests that Clothing1M's own text files do."""

import contextlib
import csv
import io
import pathlib

import cv2
import numpy as np
import tensorflow as tf

from spl_tf import command
from spl_tf.labels.classes import read_classes
from tools.clothing1m import manifest


class ClassFoldersTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.data, self.output = self.folder / "set", self.folder / "lists" / "of it"

    def write(self, key, content):
        (self.data / key).parent.mkdir(parents=True, exist_ok=True)
        (self.data / key).write_text(content)

    def draw(self, key):
        self.write(key, "")
        cv2.imwrite(str(self.data / key), np.full((20, 24, 3), 40, np.uint8))

    def execute(self):
        """Runs the command: exit code, last line of stderr."""
        argv = ["manifest", f"--data={self.data}", f"--output_dir={self.output}"]
        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            code = command.execute(manifest.main, manifest.FLAGS, manifest.__doc__, argv)
        return code, (err.getvalue().splitlines() or [""])[-1]

    def rows(self, name, *columns):
        with open(self.output / name, encoding="utf-8", newline="") as opened:
            return [tuple(row[column] for column in columns) for row in csv.DictReader(opened)]

    def test_folders_named_by_class_need_no_text_files(self):
        for key in (
            *("train/Dress/a.jpg", "train/T-Shirt/a.jpg", "val/Dress/a.jpg", "clean_test/T-Shirt/b.jpg"),
            *("web/Dress/sub/a.jpg", "web/t-shirt/a.jpg", "web/T-Shirt/c.jpg", "web/d.jpg"),
        ):
            self.draw(key)
        self.write("web/Dress/notes.txt", "x")
        code, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertEqual(read_classes(self.output / "classes.txt"), ("Dress", "T-Shirt"))
        self.assertEqual(
            self.rows("target_train.csv", "video_id", "label"),
            [("train/Dress/a.jpg", "Dress"), ("train/T-Shirt/a.jpg", "T-Shirt")],
        )
        self.assertEqual(self.rows("validation.csv", "path", "label"), [("../../set/val/Dress/a.jpg", "Dress")])
        self.assertEqual(self.rows("test.csv", "video_id", "label"), [("clean_test/T-Shirt/b.jpg", "T-Shirt")])
        self.assertCountEqual(
            self.rows("web.csv", "video_id", "query"),
            [("web/Dress/sub/a.jpg", "Dress"), ("web/T-Shirt/c.jpg", "T-Shirt")],
        )
        self.assertCountEqual(
            self.rows("rejected.csv", "key", "reason"),
            [
                ("web/Dress/notes.txt", "no suffix of an image (.txt)"),
                ("web/d.jpg", "no label"),
                ("web/t-shirt/a.jpg", "unknown class ('t-shirt' (is it 'T-Shirt'?))"),
            ],
        )

        self.write("classes.txt", "T-Shirt\nVest\nDress\n")
        self.execute()
        self.assertEqual(read_classes(self.output / "classes.txt"), ("T-Shirt", "Vest", "Dress"))

    def test_a_set_of_class_folders_that_is_not_there_or_has_no_image_is_named(self):
        for key in ("train/Dress/a.jpg", "val/Dress/a.jpg", "test/Dress/a.jpg"):
            self.draw(key)
        code, error = self.execute()
        self.assertEqual(code, 2)
        self.assertIn("has no folder noisy_train or noisy or web beside test, train, val", error)
        self.write("web/Dress/a.jpg", "")
        code, error = self.execute()
        self.assertEqual(code, 2)
        self.assertIn("web has no usable key: empty file for 'web/Dress/a.jpg' (1 of 1 keys)", error)
