"""Arrays on disk are as large as they say, or one line."""

import io
import os
import pathlib
import zipfile

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.arrays import map_array, read_arrays
from spl_tf.errors import UserError

WANTED = {"table": np.int32, "merged": np.bool_}


def _npy(values, shape=None):
    """An .npy file that claims another shape."""
    written = io.BytesIO()
    np.save(written, values)
    content = written.getvalue()
    if shape is None:
        return content
    said = f"'shape': {values.shape}, }}".encode()
    claimed = f"'shape': {shape}, }}".encode()
    return content.replace(said + b" " * (len(claimed) - len(said)), claimed)


class ArraysTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.npy"

    def refused(self, content, message):
        self.path.write_bytes(content)
        with self.assertRaisesRegex(UserError, f"a.npy is damaged or no array .*{message}.*: mend it"):
            map_array(self.path, "mend it")

    def test_an_array_is_mapped(self):
        values = np.arange(12).reshape(3, 4)
        np.save(self.path, values)
        mapped = map_array(self.path, "")
        self.assertAllEqual(mapped, values)
        self.assertIsInstance(mapped, np.memmap)

    def test_an_array_larger_than_its_file_is_refused(self):
        content = _npy(np.zeros(4), (400_000_000_000,))
        self.assertIn(b"400000000000", content)
        self.refused(content, "")
        self.refused(_npy(np.zeros(4))[:-1], "")
        self.refused(b"", "")
        self.refused(_npy(np.array([{}], object)), "[Aa]rray can't be memory-mapped|Python objects")
        packed = io.BytesIO()
        np.savez(packed, a=np.zeros(3))
        self.refused(packed.getvalue(), "several arrays")

    def test_what_is_no_file_is_refused(self):
        with self.assertRaisesRegex(UserError, "a.npy does not exist: mend it"):
            map_array(self.path, "mend it")
        os.mkfifo(self.path)
        with self.assertRaisesRegex(UserError, "a.npy is a named pipe"):
            map_array(self.path, "mend it")

    def write(self, **members):
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)

    def test_packed_arrays_are_read(self):
        table, merged = np.arange(9, dtype=np.int32).reshape(3, 3), np.eye(3, dtype=bool)
        for order in "CF":
            np.savez_compressed(self.path.with_suffix(""), table=np.asarray(table, order=order), merged=merged)
            read = read_arrays(self.path.with_suffix(".npz"), WANTED, (3, 3), "")
            self.assertAllEqual(read["table"], table)
            self.assertAllEqual(read["merged"], merged)

    # Made in the test: absl writes out the parameters of each, and megabytes of zeros become gigabytes of text.
    @parameterized.parameters(
        (lambda: _npy(np.zeros((3, 3), np.int32)), "merged.npy"),
        (lambda: _npy(np.zeros((3, 3), np.int64)), "table.npy is int64"),
        (lambda: _npy(np.zeros((2000, 2000), np.int32)), r"table.npy is int32 \(2000, 2000\), not int32 \(3, 3\)"),
        (lambda: _npy(np.zeros((3, 3), np.int32)) + bytes(1 << 20), "another length"),
        (lambda: _npy(np.zeros((3, 3), np.int32))[:-1], "another length"),
        (lambda: b"\x93NUMPY\x01\x00", ""),
        (lambda: b"[" * 1000, "magic"),
    )
    def test_other_packed_arrays_are_refused_before_they_are_unpacked(self, make_table, message):
        self.write(table=make_table())
        with self.assertRaisesRegex(UserError, f"a.npy is damaged or no such arrays .*{message}.*: mend it"):
            read_arrays(self.path, WANTED, (3, 3), "mend it")


if __name__ == "__main__":
    tf.test.main()
