"""Labels of other shards, of other classes, or of no finished run are refused before training."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.targets import join_targets
from spl_tf.data.sidecars import open_labels_of
from spl_tf.errors import UserError
from spl_tf.files import write_json
from spl_tf.labels.sidecar_files import write_labels


class JoinTargetsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _readable(self, readable_shards):
        self.readable = readable_shards

    def setUp(self):
        super().setUp()
        self.dataset = self.readable.write(self.create_tempdir().full_path, (5, 4, 6))
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.labels = np.array([0, 1, -1] * 5)
        for shard in self.dataset.shards:
            rows = slice(shard.start, shard.start + shard.records)
            write_labels(
                self.folder / f"{shard.name}.parquet",
                clip_ids=[f"clip{index}" for index in range(rows.start, rows.stop)],
                labels=self.labels[rows],
                weights=np.ones(shard.records),
                shard_fingerprint=shard.fingerprint,
            )
        self._write_summary()

    def _write_summary(self, classes=("a", "b"), dataset=None):
        shards = {shard.name: {"fingerprint": shard.fingerprint} for shard in (dataset or self.dataset).shards}
        content = {"format_version": 1, "strategy": "weak", "class_names": list(classes), "shards": shards}
        write_json(self.folder / "summary.json", content)

    def _assert_refused(self, message, dataset=None):
        with self.assertRaisesRegex(UserError, message):
            self._join(dataset or self.dataset)

    def _join(self, dataset, form="single"):
        return join_targets(dataset, open_labels_of(dataset, self.folder), form)

    def test_without_labels_every_clip_is_used_whatever_labels_it_has(self):
        targets = join_targets(dataclasses.replace(self.dataset, multi_label=True), form="none")
        self.assertEqual((targets.num_clips, targets.classes, targets.clips_of_class.size), (15, (), 0))
        index = tf.constant([3, 14], tf.int64)
        self.assertAllEqual(targets.look_up({"index": index})["weights"], [1.0, 1.0])
        self.assertEqual(set(targets.look_up({"index": index})), {"index", "weights"})

    def test_kept_clips_come_with_their_rows(self):
        targets = self._join(self.dataset)
        self.assertAllEqual(targets.table.labels, self.labels)
        self.assertEqual((targets.num_clips, targets.classes), (10, ("a", "b")))
        self.assertAllEqual(targets.clips_of_class, [5, 5])
        for shard, rows in zip(self.dataset.shards, targets.rows, strict=True):
            labels = self.labels[shard.start : shard.start + shard.records]
            self.assertAllEqual(rows, np.flatnonzero(labels >= 0))

    def test_one_label_is_several_labels_too_but_no_distribution(self):
        batch = self._join(self.dataset, "several").look_up({"index": tf.constant([4, 0, 2], tf.int64)})
        self.assertAllEqual(batch["labels"], [[0, 1], [1, 0], [0, 0]])
        self.assertAllEqual(batch["known"], np.ones([3, 2]))
        with self.assertRaisesRegex(UserError, "gives every clip one label, the objective learns a distribution"):
            self._join(self.dataset, "distribution")

    def test_labels_must_be_classes_of_the_summary(self):
        self._write_summary(classes=["a"])
        self._assert_refused("web-00000-of-00003.parquet row 1 has label 1, but there are 1 classes: run spl_tf.label")

    def test_the_summary_must_be_of_these_shards(self):
        self._write_summary(dataset=dataclasses.replace(self.dataset, shards=self.dataset.shards[:1]))
        self._assert_refused("shard web-00001-of-00003, but .*/summary.json does not list it: run spl_tf.predict and")
        (self.folder / "summary.json").write_text("{}")
        self._assert_refused("/summary.json is damaged or not ours")
        (self.folder / "summary.json").unlink()
        self._assert_refused("/summary.json does not exist: run spl_tf.label")

    def test_labels_of_rebuilt_shards_are_refused(self):
        rebuilt = tuple(dataclasses.replace(shard, fingerprint="other") for shard in self.dataset.shards)
        foreign = dataclasses.replace(self.dataset, shards=rebuilt)
        message = "has the shard web-00000-of-00003, but .*/summary.json lists another one of that name"
        self._assert_refused(message, foreign)
        self._write_summary(dataset=foreign)
        self._assert_refused("web-00000-of-00003.parquet.*fingerprint", foreign)

    def test_a_missing_side_car_is_named(self):
        (self.folder / "web-00002-of-00003.parquet").unlink()
        self._assert_refused("web-00002-of-00003.parquet does not exist")
