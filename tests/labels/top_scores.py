"""Predictions with the teacher's k best classes and scores, for tests."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.files import write_json
from spl_tf.labels import sidecar_files
from tests.labels.label_folders import without_figures

CLASSES = list("abcde")


def write_predictions(folder, classes, weak, probabilities, k, sizes):
    """A folder of predictions in shards of the given sizes.

    Args:
      folder: for them.
      classes: the N class names.
      weak: int [n].
      probabilities: float32 [n, N], the teacher's.
      k: how many of them are stored.
      sizes: clips of each shard.

    Returns:
      float32 [n, N], the probabilities without those that are not stored.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(probabilities, order, axis=1)
    shards, start = {}, 0
    for position, size in enumerate(sizes):
        rows, name = slice(start, start + size), f"web-{position:05d}-of-{len(sizes):05d}"
        ids = [f"clip {index}" for index in range(rows.start, rows.stop)]
        path = folder / f"{name}.parquet"
        columns = {"weak": weak[rows], "teacher": order[rows, 0], "confidence": scores[rows, 0]}
        sidecar_files.write_predictions(path, clip_ids=ids, **columns, shard_fingerprint=name)
        table = pq.read_table(path)
        table = table.append_column("top_classes", pa.array(order[rows].tolist(), pa.list_(pa.int32())))
        table = table.append_column("top_scores", pa.array(scores[rows].tolist(), pa.list_(pa.float32())))
        pq.write_table(table, path, row_group_size=50)
        shards[name] = {"fingerprint": name, "ids_digest": sidecar_files.ids_digest(ids), "records": size}
        start += size
    write_json(folder / "predictions.json", {"format_version": 1, "classes": classes, "shards": shards})
    stored = np.zeros_like(probabilities)
    np.put_along_axis(stored, order, scores, axis=1)
    return stored


def read_columns(folder, *names):
    """Columns of all label side-cars, as lists."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return [[cell for table in tables for cell in table[name].to_pylist()] for name in names]


class TopScoresCase(parameterized.TestCase, tf.test.TestCase):
    """Queries and the teacher's probabilities of 300 clips, drawn by chance."""

    def setUp(self):
        super().setUp()
        self.enter_context(without_figures())
        root = pathlib.Path(self.create_tempdir().full_path)
        self.predictions, self.labels = root / "P", root / "L"
        rng = np.random.default_rng(0)
        self.weak = rng.integers(5, size=300)
        self.scores = rng.dirichlet(np.full(5, 0.4), 300).astype(np.float32)
