"""Sorted runs on disk hold every record once, in order; the table reads back as it was written."""

import pathlib
import random
from unittest import mock

import pyarrow as pa
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from tools.noisyactions2m import rows, runs, table
from tools.noisyactions2m.records import Record


class RowsTest(tf.test.TestCase):
    def test_read_rows_gives_the_schema_back(self):
        path = self.create_tempdir().full_path + "/m.parquet"
        row = Record("x", "1", uploaded=5, latitude=1.0, longitude=2.0, addresses=[("o", "u")], queries=[("q", None)])
        written, _ = rows.to_table([rows.merged([row])], None)
        with table.open_writer(path) as writer:
            writer.write_table(written)
        (batch,) = table.read_rows(path)
        self.assertEqual(batch.schema, table.SCHEMA)
        self.assertEqual(pa.Table.from_batches([batch]), written)
        (batch,) = table.read_rows(path, ["tags", "key"])
        self.assertEqual(batch.to_pylist(), [{"tags": [], "key": "x/1"}])
        with self.assertRaisesRegex(UserError, "no column 'none'"):
            list(table.read_rows(path, ["none"]))
        pathlib.Path(path).write_bytes(b"PAR1")
        with self.assertRaisesRegex(UserError, "damaged"):
            list(table.read_rows(path))


class RunsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(1, 3, 50)
    def test_ranges_hold_every_record_once_in_order(self, batch):
        generator = random.Random(batch)
        for _ in range(10):
            folder = self.create_tempdir().full_path
            keys = [generator.choice("abcdé0") * generator.randrange(1, 4) for _ in range(generator.randrange(1, 120))]
            with mock.patch.multiple(runs, _BATCH=batch, _MOST_RECORDS=17, _BYTES_PER_RANGE=300):
                writer = runs.Writer(f"{folder}/r")
                for number, key in enumerate(keys):
                    writer.add(Record("s", key, title=str(number)))
                writer.flush()
                ranges = runs.ranges(writer.runs)
                found = [
                    [(record.id, int(record.title)) for record in group]
                    for wanted in ranges
                    for group in runs.read_groups(wanted)
                ]
            expected = [[(key, place) for place, other in enumerate(keys) if other == key] for key in sorted(set(keys))]
            self.assertEqual(found, expected)


if __name__ == "__main__":
    tf.test.main()
