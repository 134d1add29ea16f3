"""Predictions of 300 clips drawn by chance, in four shards of which one is empty, for tests of what is made of them."""

import pathlib

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.files import write_json
from spl_tf.labels import sidecar_files
from tests.labels.label_folders import without_figures

CLASSES = ["archery", "bowling", "climbing", "diving"]


class AssignCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        # Drawing takes longer than all the rest; test_figures and test_label draw.
        self.enter_context(without_figures())
        root = pathlib.Path(self.get_temp_dir())
        self.predictions, self.labels = root / "P", root / "L"
        rng = np.random.default_rng(0)
        self.weak = rng.integers(4, size=300)
        self.teacher = np.where(rng.random(300) < 0.5, self.weak, rng.integers(4, size=300))
        self.confidence = rng.random(300).astype(np.float32)
        self.ids = np.array([f"clip {index}" for index in range(300)])
        self.write_predictions([100, 0, 7, 193])

    def write_predictions(self, sizes, **index_changes):
        """Side-cars of the 300 clips in shards of the given sizes."""
        shards, start = {}, 0
        for position, size in enumerate(sizes):
            name, rows = f"web-{position:05d}-of-{len(sizes):05d}", slice(start, start + size)
            self.write_shard(name, rows)
            digest = sidecar_files.ids_digest(self.ids[rows])
            shards[name] = {"fingerprint": f"print of {name}", "ids_digest": digest, "records": size}
            start += size
        index = {"format_version": 1, "classes": CLASSES, "num_clips": 300, "shards": shards}
        write_json(self.predictions / "predictions.json", index | index_changes)

    def write_shard(self, name, rows, **changes):
        columns = {"clip_ids": self.ids[rows], "weak": self.weak[rows], "teacher": self.teacher[rows]}
        columns |= {"confidence": self.confidence[rows], "shard_fingerprint": f"print of {name}"}
        sidecar_files.write_predictions(self.predictions / f"{name}.parquet", **columns | changes)

    def written(self):
        """Ids, labels and weights of all shards, in order."""
        tables = [pq.read_table(path) for path in sorted(self.labels.glob("*.parquet"))]
        return [np.concatenate([table[name].to_numpy() for table in tables]) for name in sidecar_files.LABEL.names]
