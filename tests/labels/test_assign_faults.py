"""What labelling refuses: damaged and foreign predictions, and folders that hold something else."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import sidecar_files
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.label_folder import read_summary, sidecar_digests
from tests.labels.assign_case import CLASSES, AssignCase


class AssignFaultsTest(AssignCase):
    def test_a_side_car_of_other_labels_is_refused(self):
        """Both are of the same shard, its clips, its form and its classes."""
        other, name = self.labels.with_name("L2"), "web-00003-of-00004.parquet"
        assign_labels(self.predictions, "weak", self.labels)
        assign_labels(self.predictions, "teacher", other)
        (self.labels / name).write_bytes((other / name).read_bytes())
        with self.assertRaisesRegex(UserError, f"L/{name} is damaged or was edited .*: delete summary.json beside it"):
            sidecar_digests(self.labels)
        (self.labels / "SHA256SUMS").unlink()
        with self.assertRaisesRegex(UserError, f"L/{name} belongs to other labels than the summary beside it"):
            self._read(name)
        assign_labels(self.predictions, "weak", self.labels)
        self._read(name)

    def _read(self, name):
        shard, summary = name.removesuffix(".parquet"), read_summary(self.labels)
        return sidecar_files.read_labels(
            self.labels / name,
            shard_name=shard,
            shard_fingerprint=f"print of {shard}",
            ids_digest=sidecar_files.ids_digest(self.ids[107:]),
            num_records=193,
            num_classes=4,
            identity=summary.identity,
        )

    def test_bad_predictions_leave_the_earlier_labels_alone(self):
        before = assign_labels(self.predictions, "spl", self.labels)
        self.weak[250] = 4
        self.write_predictions([100, 0, 7, 193])
        with self.assertRaisesRegex(UserError, "web-00003-of-00004.parquet row 143 has the weak class 4, .*4 classes"):
            assign_labels(self.predictions, "weak", self.labels)
        self.assertEqual(before, json.loads((self.labels / "summary.json").read_text()))

    def test_files_that_are_not_ours_are_never_removed(self):
        sidecar_files.write_predictions(
            self.labels / "other.parquet", clip_ids=[], weak=[], teacher=[], confidence=[], shard_fingerprint=""
        )
        with self.assertRaisesRegex(UserError, "other.parquet .*choose another output folder"):
            assign_labels(self.predictions, "weak", self.labels)
        with self.assertRaisesRegex(UserError, "holds predictions"):
            assign_labels(self.predictions, "weak", self.predictions)
        self.assertTrue((self.labels / "other.parquet").exists())

    def test_predictions_without_an_index_are_not_overwritten(self):
        unfinished = self.labels
        unfinished.mkdir()
        name = "web-00002-of-00004.parquet"
        content = (self.predictions / name).read_bytes()
        (unfinished / name).write_bytes(content)
        with self.assertRaisesRegex(UserError, f"{name} is a prediction, which labels would overwrite: choose another"):
            assign_labels(self.predictions, "weak", unfinished)
        self.assertEqual((unfinished / name).read_bytes(), content)

    @parameterized.parameters(
        ("dataset.json", "{}", "holds shards"),
        ("model.json", "{}", "holds a model"),
        ("summary.json", '{"kept": 3}', "summary.json is damaged or not ours .*class_names"),
        ("summary.json", "[]", "summary.json is damaged or not ours"),
        ("summary.json", "{", "summary.json is damaged"),
    )
    def test_folders_of_others_are_refused_untouched(self, name, content, message):
        self.labels.mkdir()
        (self.labels / name).write_text(content)
        with self.assertRaisesRegex(UserError, f"{message}.*choose another output folder"):
            assign_labels(self.predictions, "weak", self.labels)
        self.assertEqual(os.listdir(self.labels), [name])
        self.assertEqual((self.labels / name).read_text(), content)

    @parameterized.parameters(
        ("{}", "is damaged or not ours .*format_version"),
        ("[]", "is damaged or not ours .*expected object, got array"),
        ('{"format_version": 2, "class_names": [], "shards": {}}', "has format version 2, this package reads 1"),
        (
            '{"format_version": 1, "strategy": "weak", "class_names": ["a"], "shards": {"web": {}}}',
            r"is damaged or not ours .shards\[...\]: .* required field fingerprint",
        ),
    )
    def test_a_summary_that_is_none_is_refused(self, content, message):
        self.labels.mkdir()
        (self.labels / "summary.json").write_text(content)
        with self.assertRaisesRegex(UserError, f"L/summary.json {message}.*: run spl_tf.label"):
            read_summary(self.labels)

    def test_missing_sidecars_are_named(self):
        (self.predictions / "web-00000-of-00004.parquet").unlink()
        (self.predictions / "web-00002-of-00004.parquet").unlink()
        message = "lacks web-00000-of-00004.parquet, web-00002-of-00004.parquet, .*run spl_tf.predict again"
        with self.assertRaisesRegex(UserError, message):
            assign_labels(self.predictions, "spl", self.labels)
        self.assertFalse(self.labels.exists())

    @parameterized.parameters(
        ({"shard_fingerprint": "of another"}, "is of another shard than .*predictions.json lists"),
        ({"clip_ids": [f"other {index}" for index in range(7)]}, "is of another shard"),
        ({"teacher": np.array([0, 0, -1, 0, 0, 0, 0])}, "row 2 has the teacher class -1"),
        ({"made_by": {"model": "another"}}, "was predicted otherwise than .*predictions.json says"),
    )
    def test_foreign_and_damaged_sidecars_are_named(self, changes, message):
        self.write_shard("web-00002-of-00004", slice(100, 107), **changes)
        with self.assertRaisesRegex(UserError, "web-00002-of-00004.parquet .*" + message):
            assign_labels(self.predictions, "spl", self.labels)

    def test_a_sidecar_of_another_length_is_named(self):
        self.write_shard("web-00002-of-00004", slice(100, 106))
        with self.assertRaisesRegex(UserError, "web-00002-of-00004.parquet has 6 rows, .*predictions.json says 7"):
            assign_labels(self.predictions, "spl", self.labels)

    def test_a_cut_sidecar_is_named(self):
        path = self.predictions / "web-00003-of-00004.parquet"
        path.write_bytes(path.read_bytes()[:-9])
        with self.assertRaisesRegex(UserError, "web-00003-of-00004.parquet is damaged .*run spl_tf.predict again"):
            assign_labels(self.predictions, "spl", self.labels)

    def test_predictions_over_fewer_classes_are_refused(self):
        self.write_predictions([300], classes=CLASSES[:3])
        with self.assertRaisesRegex(UserError, "row [0-9]+ has the weak class 3, but predictions.json lists 3 classes"):
            assign_labels(self.predictions, "spl", self.labels)

    @parameterized.parameters(
        ({"format_version": 2}, "format version 2, this package reads 1"),
        ({"classes": None}, "is damaged or not ours .classes: expected array, got null"),
        ({"shards": {}}, "no clips"),
        ({"shards": ["web"]}, "is damaged or not ours .shards: expected object, got array"),
    )
    def test_a_wrong_index_is_refused(self, changes, message):
        self.write_predictions([300], **changes)
        with self.assertRaisesRegex(UserError, message):
            assign_labels(self.predictions, "spl", self.labels)

    @parameterized.product(
        strategy=("weak", "spl_b", "spl_m"), broken=(float("nan"), float("inf"), None), min_confidence=(0.0, 0.5)
    )
    def test_the_predictions_of_a_broken_teacher_are_refused_by_shard_and_clip(self, strategy, broken, min_confidence):
        path = self.predictions / "web-00003-of-00004.parquet"
        table = pq.read_table(path)
        cells = table["confidence"].to_pylist()
        cells[5] = broken
        pq.write_table(table.set_column(3, table.schema.field(3), pa.array(cells, pa.float32())), path)
        message = (
            "web-00003-of-00004.parquet row 5, clip clip 112, has a confidence that is no number: .*delete the file"
        )
        with self.assertRaisesRegex(UserError, message):
            assign_labels(self.predictions, strategy, self.labels, min_confidence=min_confidence)
        self.assertFalse(self.labels.exists())

    def test_a_confidence_that_is_no_probability_is_refused(self):
        for value in (-0.1, 60, float("nan")):
            with self.assertRaisesRegex(UserError, "min_confidence"):
                assign_labels(self.predictions, "spl", self.labels, min_confidence=value)


if __name__ == "__main__":
    tf.test.main()
