"""Nine short videos of three classes, and shards of them."""

import csv
import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.shards import write_shards

CLASSES = ("grey", "noise", "bars")
FORMAT = {"clip_seconds": 0.4, "fps": 10.0, "short_side": 24}


def write_video(path, seconds, seed):
    generator = np.random.default_rng(seed)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20.0, (64, 48))
    for _ in range(round(seconds * 20)):
        writer.write(generator.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()


def shard_bytes(folder):
    return {path.name: path.read_bytes() for path in pathlib.Path(folder).glob("*.tfrecord")}


class ShardsCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "D"
        for number in range(9):
            write_video(self.folder / f"v{number}.mp4", 0.5 + 0.4 * (number % 3), seed=number)
        self.rows = [[f"v{number}.mp4", CLASSES[number // 3]] for number in range(9)]
        self.manifest = self.write_manifest(self.rows)

    def write_manifest(self, rows, name="web.csv"):
        with open(self.folder / name, "w", newline="") as opened:
            csv.writer(opened).writerows([["path", "label"], *rows])
        return self.folder / name

    def write(self, output=None, **changes):
        return write_shards(
            self.manifest, output or self.output, **{"classes": CLASSES, "workers": 1, **FORMAT, **changes}
        )
