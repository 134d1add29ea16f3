"""The web clips of the coloured shards, predictions and labels of them, for tests of what is chosen and explained."""

import pathlib

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.pipeline import evaluation_clips
from spl_tf.labels import predictions, sidecar_files
from spl_tf.labels.assign import assign_labels

_MADE_BY = {"weights": "none"}


def write_sidecars(folder, dataset, clip_ids, weak, generator):
    """Predictions of all clips of a data set, in its order, drawn by chance; returns the teacher's classes."""
    teacher, confidence = generator.integers(0, 3, len(clip_ids)), generator.random(len(clip_ids))
    headers = {}
    for shard in dataset.shards:
        own = slice(shard.start, shard.start + shard.records)
        sidecar_files.write_predictions(
            folder / f"{shard.name}.parquet",
            clip_ids=clip_ids[own],
            weak=weak[own],
            teacher=teacher[own],
            confidence=confidence[own],
            shard_fingerprint=shard.fingerprint,
            made_by=_MADE_BY,
        )
        headers[shard.name] = sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest, _MADE_BY)
    predictions.write_index(predictions.Predictions(folder, dataset.classes, headers), _MADE_BY)
    return teacher


class ExplainCase(parameterized.TestCase, tf.test.TestCase):
    """Import the module, not the name: what a test file names is collected, and its fixtures are made once more."""

    @pytest.fixture(scope="class")
    def web_rows(self, color_shards):
        """Of every web clip in order, as evaluation reads it with the options of the trained network."""
        batches = evaluation_clips(
            load_dataset(color_shards / "web"), batch_size=1, num_frames=4, frame_stride=2, crop_size=28
        )
        return [
            {
                "shard": int(batch["shard"][0]),
                "row": int(batch["row"][0]),
                "clip_id": batch["clip_id"][0].decode(),
                "label": int(batch["labels"][0]),
                "clip": batch["clips"][0],
            }
            for batch in batches.as_numpy_iterator()
        ]

    @pytest.fixture(scope="class")
    def sidecar_dirs(self, color_shards, web_rows, tmp_path_factory):
        """Predictions of the web clips, and labels that keep only where query and teacher agree."""
        folder = tmp_path_factory.mktemp("sidecars")
        ids, labels = [row["clip_id"] for row in web_rows], np.array([row["label"] for row in web_rows])
        write_sidecars(folder / "p", load_dataset(color_shards / "web"), ids, labels, np.random.default_rng(0))
        assign_labels(folder / "p", "agreement", folder / "agreement")
        assign_labels(folder / "p", "spl", folder / "spl")
        return folder

    @pytest.fixture(autouse=True)
    def _web(self, trained_dir, color_shards, web_rows, sidecar_dirs):
        self.trained_dir, self.shards, self.sidecars = trained_dir, color_shards / "web", sidecar_dirs
        self.dataset = load_dataset(self.shards)
        self.rows = web_rows

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def said(self, folder):
        """Rows of all side-cars in the order of the data set."""
        tables = [pq.read_table(self.sidecars / folder / f"{shard.name}.parquet") for shard in self.dataset.shards]
        return [row for table in tables for row in table.to_pylist()]
