"""Shards of clips of one colour a class, predictions of them, and the command that looks at them."""

import csv
import json
import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import checksums, files, inspect
from spl_tf.data.clip import Clip
from spl_tf.data.record import clip_to_bytes
from spl_tf.labels import sidecar_files
from tests.commands import run_command

CLASSES = ("archery", "скачки", "surfing")
COLORS = ((220, 30, 30), (30, 200, 30), (30, 30, 220))  # RGB
NUM_CLIPS, NUM_SHARDS = 60, 4


def clip_id(index):
    return f"video{index}@0"


def _clip(index, labels):
    """Four frames of the first class's colour."""
    picture = np.full((24, 32, 3), COLORS[labels[0]][::-1], np.uint8)
    return Clip(
        clip_id=clip_id(index),
        video_id=f"video{index}",
        labels=list(labels),
        label_texts=[CLASSES[label] for label in labels],
        start_us=0,
        end_us=800_000,
        frame_rate=5.0,
        height=24,
        width=32,
        frames=[cv2.imencode(".jpg", picture)[1].tobytes()] * 4,
        timestamps_us=[0, 200_000, 400_000, 600_000],
        key=f"flickr/{index}",
    )


class InspectCase(parameterized.TestCase, tf.test.TestCase):
    """60 clips of one colour a class; of 10 clips queried for it, the teacher agrees on 7."""

    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.shards, self.predictions, self.labels, self.output = (root / name for name in "DPLO")
        self.weak = np.arange(NUM_CLIPS) % 3
        self.teacher = np.where(np.arange(NUM_CLIPS) % 10 < 7, self.weak, (self.weak + 1) % 3)
        self.write_shards([[label] for label in self.weak])

    def write_shards(self, labels):
        self.shards.mkdir(exist_ok=True)
        shards = []
        for position, rows in enumerate(np.array_split(np.arange(len(labels)), NUM_SHARDS)):
            name = f"web-{position:05d}-of-{NUM_SHARDS:05d}"
            path = self.shards / f"{name}.tfrecord"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for row in rows:
                    writer.write(clip_to_bytes(_clip(row, labels[row])))
            shards.append({"name": name, "records": len(rows), "start": int(rows[0]), "bytes": path.stat().st_size})
            digest = sidecar_files.ids_digest([clip_id(row) for row in rows])
            shards[-1] |= {"fingerprint": files.sha256(path), "ids_digest": digest}
        counts = {name: sum(index in own for own in labels) for index, name in enumerate(CLASSES)}
        description = {"format_version": 1, "classes": CLASSES, "clips_per_class": counts, "clip_seconds": 0.8}
        description |= {
            "fps": 5.0,
            "short_side": 24,
            "jpeg_quality": 90,
            "num_clips": len(labels),
            "num_videos": len(labels),
        }
        description |= {"multi_label": any(len(own) > 1 for own in labels), "shards": shards}
        description |= {"rejected": {"no such file": 2, "held out": 1}}
        checksums.complete(self.shards, {}, "dataset.json", json.dumps(description))

    def write_predictions(self, fingerprint=None):
        shards = {}
        for shard in json.loads((self.shards / "dataset.json").read_text())["shards"]:
            rows = slice(shard["start"], shard["start"] + shard["records"])
            sidecar_files.write_predictions(
                self.predictions / f"{shard['name']}.parquet",
                clip_ids=[clip_id(row) for row in range(NUM_CLIPS)[rows]],
                weak=self.weak[rows],
                teacher=self.teacher[rows],
                confidence=np.linspace(0, 1, NUM_CLIPS)[rows],
                shard_fingerprint=fingerprint or shard["fingerprint"],
            )
            shards[shard["name"]] = shard | {"fingerprint": fingerprint or shard["fingerprint"]}
        index = {"format_version": 1, "classes": CLASSES, "shards": shards}
        checksums.complete(self.predictions, {}, "predictions.json", json.dumps(index))
        return f"--predictions={self.predictions}"

    def run_command(self, *arguments):
        """Exit code, lines of standard output with single spaces, standard error."""
        code, out, err = run_command(inspect, f"--shards={self.shards}", *arguments)
        return code, [" ".join(line.split()) for line in out.splitlines()], err

    def draw(self, *arguments):
        """Draws without verifying: lines of standard output, rows of clips.csv, page (RGB)."""
        code, lines, err = self.run_command("--verify=false", f"--output_dir={self.output}", *arguments)
        self.assertEqual(code, 0, err)
        with open(self.output / "clips.csv", encoding="utf-8", newline="") as opened:
            listed = list(csv.DictReader(opened))
        return lines, listed, cv2.imread(str(self.output / "sheet-000.png"))[..., ::-1]
