import hashlib
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import label_writing, sidecar_files

IDS = ["v1_0", "v1_1", "v2_0"]


class SidecarsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.get_temp_dir(), "web-00003-of-00008.parquet")

    def _write_labels(self):
        sidecar_files.write_labels(
            self.path,
            clip_ids=IDS,
            labels=np.array([4, -1, 0]),
            weights=np.array([1.0, 0.0, 0.5]),
            shard_fingerprint="f",
        )

    def _read(self, **changes):
        expected = {"shard_fingerprint": "f", "ids_digest": sidecar_files.ids_digest(IDS), "num_records": 3}
        expected |= {"num_classes": 5} | changes
        return sidecar_files.read_labels(self.path, shard_name="web-00003-of-00008", **expected)

    def test_labels_come_back_as_written(self):
        self._write_labels()
        column = self._read()
        self.assertAllEqual(column.labels, [4, -1, 0])
        self.assertAllEqual(column.weights, [1.0, 0.0, 0.5])
        self.assertEqual((column.labels.dtype, column.weights.dtype), (np.int32, np.float32))
        self.assertEqual(pq.read_table(self.path)["clip_id"].to_pylist(), IDS)
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["web-00003-of-00008.parquet"])

    def test_predictions_come_back_as_written(self):
        sidecar_files.write_predictions(
            self.path,
            clip_ids=IDS,
            weak=np.array([0, 1, 2]),
            teacher=np.array([2, 1, 0]),
            confidence=np.array([0.5, 0.25, 1.0]),
            shard_fingerprint="f",
            made_by={"model": "m", "num_views": 3},
        )
        table = pa.Table.from_batches(list(sidecar_files.read_predictions(self.path)))
        self.assertTrue(table.schema.equals(sidecar_files.PREDICTION, check_metadata=False))
        self.assertEqual(
            table.to_pydict(),
            {"clip_id": IDS, "weak": [0, 1, 2], "teacher": [2, 1, 0], "confidence": [0.5, 0.25, 1.0]},
        )
        header = sidecar_files.read_header(self.path, sidecar_files.PREDICTION, "")
        digest = hashlib.sha256(b"v1_0\nv1_1\nv2_0").hexdigest()
        self.assertEqual(header, sidecar_files.Header(3, "f", digest, {"model": "m", "num_views": 3}))

    def test_a_large_sidecar_is_read_in_batches(self):
        rows = sidecar_files.BATCH_ROWS + 5
        zeros = np.zeros(rows, np.int32)
        sidecar_files.write_predictions(
            self.path, clip_ids=["x"] * rows, weak=zeros, teacher=zeros, confidence=zeros, shard_fingerprint="f"
        )
        self.assertEqual(pq.ParquetFile(self.path).num_row_groups, 2)
        sizes = [batch.num_rows for batch in sidecar_files.read_predictions(self.path, ["weak"])]
        self.assertEqual(sum(sizes), rows)
        self.assertLessEqual(max(sizes), sidecar_files.BATCH_ROWS)

    def test_a_broken_score_is_named_by_its_row_beyond_the_first_batch(self):
        rows = sidecar_files.BATCH_ROWS + 5
        zeros, broken = np.zeros(rows, np.int32), np.full(rows, 0.5)
        broken[-2] = np.nan
        sidecar_files.write_predictions(
            self.path,
            clip_ids=[f"c{row}" for row in range(rows)],
            weak=zeros,
            teacher=zeros,
            confidence=broken,
            shard_fingerprint="f",
        )
        message = f"00008.parquet row {rows - 2}, clip c{rows - 2}, has a confidence that is no number"
        with self.assertRaisesRegex(UserError, message):
            list(sidecar_files.read_predictions(self.path, ["weak", "confidence"]))

    def test_a_label_that_is_no_class_is_named(self):
        self._write_labels()
        self.assertAllEqual(self._read(num_classes=5).labels, [4, -1, 0])
        with self.assertRaisesRegex(UserError, "00008.parquet row 0 has label 4, but there are 4 classes: run"):
            self._read(num_classes=4)
        sidecar_files.write_labels(
            self.path, clip_ids=IDS, labels=np.array([0, 1, -2]), weights=np.ones(3), shard_fingerprint="f"
        )
        with self.assertRaisesRegex(UserError, "row 2 has label -2"):
            self._read()

    def test_only_a_prediction_is_taken_for_one(self):
        self.assertFalse(label_writing.holds_predictions(self.path))
        self._write_labels()
        self.assertFalse(label_writing.holds_predictions(self.path))
        with open(self.path, "r+b") as opened:
            opened.truncate(20)
        self.assertFalse(label_writing.holds_predictions(self.path))
        sidecar_files.write_predictions(
            self.path, clip_ids=[], weak=np.zeros(0), teacher=[], confidence=[], shard_fingerprint="f"
        )
        self.assertTrue(label_writing.holds_predictions(self.path))

    @parameterized.parameters(
        ({"num_records": 120}, "web-00003-of-00008.parquet has 3 labels, its shard web-00003-of-00008 120 records"),
        (
            {"shard_fingerprint": "g"},
            "another shard than web-00003-of-00008 .*run spl_tf.predict and spl_tf.label again",
        ),
        ({"ids_digest": "0"}, "names other clips than its shard web-00003-of-00008.*: run spl_tf.label again"),
    )
    def test_labels_of_another_shard_are_refused(self, changes, message):
        self._write_labels()
        with self.assertRaisesRegex(UserError, message):
            self._read(**changes)

    def test_a_missing_sidecar_is_refused(self):
        with self.assertRaisesRegex(UserError, "does not exist: run spl_tf.label again"):
            self._read()

    @parameterized.parameters("empty", "cut", "text", "flipped")
    def test_a_damaged_sidecar_is_refused(self, damage):
        self._write_labels()
        with open(self.path, "rb") as opened:
            content = bytearray(opened.read())
        if damage == "flipped":
            # One bit of the label column's data: only the page checksum can tell.
            column = pq.ParquetFile(self.path).metadata.row_group(0).column(1)
            content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
        damaged = {"empty": b"", "cut": content[:-20], "text": b"clip_id,label\n" * 9, "flipped": bytes(content)}
        with open(self.path, "wb") as opened:
            opened.write(damaged[damage])
        with self.assertRaisesRegex(UserError, "web-00003-of-00008.parquet is damaged .*run spl_tf.label again"):
            self._read()

    def test_files_of_other_kinds_are_refused(self):
        pq.write_table(pa.table({"clip_id": IDS, "label": [1.5, 2.5, 3.5]}), self.path)
        with self.assertRaisesRegex(UserError, "no column 'label' of type int32"):
            self._read()
        labels = {"clip_id": IDS, "label": np.zeros(3, np.int32), "weight": np.zeros(3, np.float32)}
        pq.write_table(pa.table(labels), self.path)
        with self.assertRaisesRegex(UserError, "does not say which shard"):
            self._read()

    def test_a_failed_write_keeps_the_old_sidecar(self):
        self._write_labels()
        with (
            self.assertRaises(RuntimeError),
            sidecar_files.label_writer(self.path, shard_fingerprint="new", ids_digest="new"),
        ):
            raise RuntimeError("killed here")
        self.assertAllEqual(self._read().labels, [4, -1, 0])
        self.assertLen(os.listdir(os.path.dirname(self.path)), 1)


if __name__ == "__main__":
    tf.test.main()
