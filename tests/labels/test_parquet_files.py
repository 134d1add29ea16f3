"""A small side-car that stands for gigabytes is refused by what its footer and its dictionary say."""

import os
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import sidecar_files
from spl_tf.labels.label_writing import holds_predictions
from spl_tf.labels.sidecar_files import PREDICTION, read_header, read_predictions

METADATA = {"shard_fingerprint": "f", "ids_digest": "d", "made_by": '{"model": "m", "top_k": 5}'}


def _table(ids, **more):
    columns = {"weak": np.zeros(len(ids), np.int32), "teacher": np.zeros(len(ids), np.int32)}
    columns |= {"confidence": np.ones(len(ids), np.float32), **more}
    return pa.table({"clip_id": ids, **columns}).replace_schema_metadata(METADATA)


class ParquetFilesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "web.parquet"

    def test_ids_in_a_dictionary_are_read_as_texts(self):
        ids = [f"clip {row % 7}" for row in range(1000)]
        pq.write_table(_table(pa.array(ids)), self.path, row_group_size=300)
        batches = list(read_predictions(self.path))
        self.assertEqual({batch.schema.field("clip_id").type for batch in batches}, {pa.string()})
        self.assertEqual([text for batch in batches for text in batch["clip_id"].to_pylist()], ids)
        self.assertEqual(read_header(self.path, PREDICTION, "").made_by, {"model": "m", "top_k": 5})

    def test_one_long_id_for_many_rows_is_refused_before_it_is_written_out(self):
        places = pa.array(np.zeros(40_000, np.int32))
        ids = pa.DictionaryArray.from_arrays(places, pa.array(["x" * 60_000]))
        pq.write_table(_table(ids), self.path, compression="zstd", row_group_size=1 << 18, store_schema=False)
        self.assertLess(os.path.getsize(self.path), 25_000)
        with self.assertRaisesRegex(UserError, "web.parquet is damaged .clip_id of 40,000 rows would take 2,4"):
            for _ in read_predictions(self.path):
                self.fail("rows were read")
        self.assertEqual(sum(batch.num_rows for batch in read_predictions(self.path, ["weak"])), 40_000)

    def test_one_row_with_thirty_million_classes_is_refused(self):
        values = pa.array(np.zeros(30_000_000, np.int32))
        classes = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
        pq.write_table(_table(["a"], top_classes=classes), self.path)
        self.assertLess(os.path.getsize(self.path), 25_000)
        with self.assertRaisesRegex(UserError, "web.parquet is damaged .its 1 rows would take [12]"):
            read_header(self.path, PREDICTION, "predict again")

    def test_what_a_side_car_says_of_its_making_is_typed(self):
        for content in ("[[[[", '{"model": null}', '{"top_k": 1e400}', "[" * 100_000, '{"top_k": %s}' % ("9" * 5000)):
            pq.write_table(_table(["a"]).replace_schema_metadata(METADATA | {"made_by": content}), self.path)
            with self.assertRaisesRegex(UserError, "web.parquet: made_by is damaged or not ours .*: predict again"):
                read_header(self.path, PREDICTION, "predict again")

    def test_a_pipe_is_not_waited_for(self):
        os.mkfifo(self.path)
        with self.assertRaisesRegex(UserError, "web.parquet is a named pipe, not a file: predict again"):
            read_header(self.path, PREDICTION, "predict again")
        self.assertFalse(holds_predictions(self.path))

    def test_what_this_package_writes_is_below_the_bound_with_a_thousand_scores_a_clip(self):
        scores = np.tile(np.linspace(1, 0, 1000, dtype=np.float32), (500, 1))
        sidecar_files.write_predictions(
            self.path,
            clip_ids=[f"{row}" + "p" * 4000 for row in range(500)],
            weak=np.zeros(500, np.int32),
            teacher=np.zeros(500, np.int32),
            confidence=np.ones(500),
            top_classes=np.tile(np.arange(1000), (500, 1)),
            top_scores=scores,
            shard_fingerprint="f",
        )
        (batch,) = read_predictions(self.path)
        self.assertEqual(batch.num_rows, 500)


if __name__ == "__main__":
    tf.test.main()
