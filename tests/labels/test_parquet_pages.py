"""What pages say agrees with what pyarrow reads of a whole file, and any other file is a ValueError."""

import pathlib
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.labels.parquet_pages import read_chunks

ROWS = 4000


def _table():
    numbers = np.arange(ROWS)
    return pa.table(
        {
            "clip_id": [f"clip {number}" for number in numbers],
            "weak": numbers.astype(np.int32) % 5,
            "classes": pa.array([[1, 2]] * ROWS, pa.list_(pa.int32())),
            "is_kept": numbers % 2 == 0,
            "score": pa.array([None, 0.5] * (ROWS // 2)),
        }
    )


class ParquetPagesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.parquet"

    def chunks(self):
        with open(self.path, "rb") as opened:
            return read_chunks(opened)

    @parameterized.parameters(
        {},
        {"use_dictionary": ["weak"], "compression": "zstd"},
        {"data_page_version": "2.0", "data_page_size": 1000},
        {"row_group_size": 300},
        {"compression": "none", "write_page_index": True, "write_page_checksum": True},
    )
    def test_they_agree_with_pyarrow(self, **options):
        pq.write_table(_table(), self.path, **options)
        metadata, groups = pq.read_metadata(self.path), self.chunks()
        self.assertLen(groups, metadata.num_row_groups)
        for number, chunks in enumerate(groups):
            group = metadata.row_group(number)
            self.assertLen(chunks, group.num_columns)
            for place, chunk in enumerate(chunks):
                column = group.column(place)
                found = (chunk.name, chunk.num_values, chunk.in_dictionary)
                self.assertEqual(found, (column.path_in_schema, column.num_values, column.has_dictionary_page))
                # pyarrow's with the heads of the pages.
                self.assertBetween(column.total_uncompressed_size - chunk.num_bytes, 1, 8000)

    def test_of_no_rows_nothing_is_said(self):
        pq.write_table(_table().slice(0, 0), self.path)
        self.assertEqual([(chunk.num_values, chunk.num_bytes) for chunk in self.chunks()[0]], [(0, 0)] * 5)

    def test_any_other_file_is_a_value_error(self):
        pq.write_table(_table().slice(0, 50), self.path)
        content, chance = self.path.read_bytes(), random.Random(0)
        for size in range(0, len(content), 97):
            self.path.write_bytes(content[:size])
            with self.assertRaises(ValueError):
                self.chunks()
        refused = 0
        for _ in range(500):
            changed = bytearray(content)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            self.path.write_bytes(changed)
            try:
                self.chunks()
            except ValueError:
                refused += 1
        self.assertGreater(refused, 20)

    def test_a_footer_of_nothing_but_structs_within_structs_is_refused(self):
        footer = b"\x1c" * 100_000
        self.path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
        with self.assertRaisesRegex(ValueError, "nested too deeply"):
            self.chunks()


if __name__ == "__main__":
    tf.test.main()
