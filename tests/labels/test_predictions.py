"""A folder of predictions: what is finished in it, and whose files are never mixed with it."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import predictions, sidecar_files

MADE_BY = {"model": "sha", "precision": "float32", "num_views": 1}
NAMES = ("web-00000-of-00002", "web-00001-of-00002")


class PredictionsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "P"
        headers = {name: self._header(name) for name in NAMES}
        self.wanted = predictions.Predictions(self.folder, ("a", "b"), headers)

    def _ids(self, name):
        return [f"{name} {row}" for row in range(3)]

    def _header(self, name):
        return sidecar_files.Header(3, f"print of {name}", sidecar_files.ids_digest(self._ids(name)), MADE_BY)

    def _write(self, name, **changes):
        columns = {"clip_ids": self._ids(name), "weak": np.zeros(3), "teacher": np.zeros(3), "confidence": np.ones(3)}
        columns |= {"shard_fingerprint": f"print of {name}", "made_by": MADE_BY}
        sidecar_files.write_predictions(self.wanted.path(name), **columns | changes)

    def test_shards_are_finished_one_by_one(self):
        self.assertEmpty(predictions.finished_shards(self.wanted))
        self._write(NAMES[1])
        (self.folder / f".host.1.tmp.{NAMES[0]}.parquet").write_bytes(b"half")
        self.assertEqual(predictions.finished_shards(self.wanted), {NAMES[1]})
        self._write(NAMES[0])
        self.assertEqual(predictions.finished_shards(self.wanted), set(NAMES))

    def test_what_is_written_is_opened_again(self):
        for name in NAMES:
            self._write(name)
        self.assertFalse(predictions.lists_predictions(self.folder))
        content = predictions.write_index(self.wanted, MADE_BY, model_dir="m")
        self.assertEqual(content, json.loads((self.folder / "predictions.json").read_text()))
        self.assertEqual((content["num_clips"], content["model_dir"], content["made_by"]), (6, "m", MADE_BY))
        self.assertTrue(predictions.lists_predictions(self.folder))
        self.assertEqual(predictions.open_predictions(self.folder), self.wanted)
        predictions.remove_index(self.folder)
        self.assertFalse(predictions.lists_predictions(self.folder))

    @parameterized.parameters(
        ({"made_by": MADE_BY | {"model": "other"}}, f"{NAMES[0]}.parquet was predicted with another model: use anoth"),
        ({"made_by": MADE_BY | {"num_views": 3}}, "was predicted with another num_views: use another --output_dir"),
        ({"made_by": None}, "was predicted with another model"),
        ({"shard_fingerprint": "another"}, f"{NAMES[0]}.parquet is of another shard of that name"),
        ({"clip_ids": ["x", "y", "z"]}, "is of another shard of that name"),
    )
    def test_foreign_predictions_are_refused_by_name(self, changes, message):
        self._write(NAMES[1])
        self._write(NAMES[0], **changes)
        with self.assertRaisesRegex(UserError, message):
            predictions.finished_shards(self.wanted)

    def test_files_that_are_no_predictions_of_these_shards_are_refused(self):
        self._write(NAMES[0])
        fewer = dataclasses.replace(self.wanted, shards={NAMES[1]: self._header(NAMES[1])})
        with self.assertRaisesRegex(UserError, f"{NAMES[0]}.parquet belongs to no shard of this data set"):
            predictions.finished_shards(fewer)
        path = self.wanted.path(NAMES[0])
        path.write_bytes(path.read_bytes()[:-9])
        with self.assertRaisesRegex(UserError, f"{NAMES[0]}.parquet is damaged .*or delete the file"):
            predictions.finished_shards(self.wanted)

    @parameterized.parameters(True, False)
    def test_labels_are_not_overwritten(self, finished):
        ids = self._ids(NAMES[0])
        path = self.wanted.path(NAMES[0])
        sidecar_files.write_labels(
            path, clip_ids=ids, labels=np.zeros(3), weights=np.ones(3), shard_fingerprint=f"print of {NAMES[0]}"
        )
        message = "has no column 'weak'"
        if finished:
            (self.folder / "summary.json").write_text("{}")
            message = "P holds labels, which predictions would overwrite: use another --output_dir"
        with self.assertRaisesRegex(UserError, message):
            predictions.finished_shards(self.wanted)

    def test_tensorflow_is_not_imported(self):
        code = "import sys, spl_tf.labels.predictions; print('tensorflow' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(found.stdout.strip(), "False")
