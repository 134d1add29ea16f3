"""A side-car or index cut or flipped anywhere is refused by name, or says what it said before."""

import contextlib
import io
import pathlib

import numpy as np
import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.labels import label_writing, predictions, sidecar_files
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.label_folder import read_cells, read_confusion, read_summary

NAME = "web-00000-of-00001"
IDS = [f"clip {row}" for row in range(40)]
MADE_BY = {"model": "m", "num_views": 1}


class DamagedSidecarsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.predictions, self.labels = root / "P", root / "L"
        generator = np.random.default_rng(0)
        sidecar_files.write_predictions(
            self.predictions / f"{NAME}.parquet",
            clip_ids=IDS,
            weak=generator.integers(0, 4, 40),
            teacher=generator.integers(0, 4, 40),
            confidence=generator.random(40),
            shard_fingerprint="f",
            made_by=MADE_BY,
        )
        header = sidecar_files.Header(40, "f", sidecar_files.ids_digest(IDS), MADE_BY)
        index = predictions.Predictions(self.predictions, ("a", "b", "c", "d"), {NAME: header})
        predictions.write_index(index, MADE_BY)
        with contextlib.redirect_stderr(io.StringIO()):
            assign_labels(self.predictions, "spl_b", self.labels)

    def assert_refused_or_unchanged(self, path, read, *, step):
        """Reads the file cut at, and with each bit flipped of, every `step`-th byte and the first ones."""
        content, expected = path.read_bytes(), read()
        places = sorted({*range(16), *range(0, len(content), step)})
        damaged = [content[:place] for place in places]
        for place in places:
            for bit in range(8):
                flipped = bytearray(content)
                flipped[place] ^= 1 << bit
                damaged.append(bytes(flipped))
        refused = 0
        for damage in damaged:
            path.write_bytes(damage)
            try:
                self.assertEqual(read(), expected)
            except UserError as error:
                self.assertIn(path.name, str(error))
                refused += 1
        self.assertGreater(refused, len(damaged) // 3)
        path.write_bytes(content)

    def test_predictions(self):
        path = self.predictions / f"{NAME}.parquet"

        def read():
            predictions.open_predictions(self.predictions)
            label_writing.holds_predictions(path)
            # Ids are not among the columns whose values count.
            columns = ["weak", "teacher", "confidence"]
            return [batch.to_pydict() for batch in sidecar_files.read_predictions(path, columns)]

        self.assert_refused_or_unchanged(path, read, step=17)

    def test_labels(self):
        path = self.labels / f"{NAME}.parquet"

        def read():
            column = sidecar_files.read_labels(
                path,
                shard_name=NAME,
                shard_fingerprint="f",
                ids_digest=sidecar_files.ids_digest(IDS),
                num_records=40,
                num_classes=8,
            )
            return column.labels.tolist(), column.weights.tolist()

        self.assert_refused_or_unchanged(path, read, step=17)

    def test_a_flipped_page_header_does_not_hide_rows(self):
        path = self.predictions / f"{NAME}.parquet"
        content = bytearray(path.read_bytes())
        content[5] ^= 1  # The first page becomes one of a kind that readers skip.
        path.write_bytes(content)
        damaged, labels = f"{NAME}.parquet is damaged .*: run spl_tf.predict again", self.labels.with_name("L2")
        with self.assertRaisesRegex(UserError, damaged):
            assign_labels(self.predictions, "spl_b", labels)
        self.assertFalse(labels.exists())
        # As an older version wrote it.
        (self.predictions / "SHA256SUMS").unlink()
        with self.assertRaisesRegex(UserError, damaged):
            list(sidecar_files.read_predictions(path))
        with (
            self.assertRaisesRegex(UserError, f"{NAME}.parquet is damaged"),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            assign_labels(self.predictions, "spl_b", labels)
        self.assertEqual([path.name for path in labels.iterdir()], [".lock"])

    def test_indexes(self):
        for path, read in (
            (self.predictions / "predictions.json", lambda: predictions.open_predictions(self.predictions)),
            (self.labels / "summary.json", lambda: read_summary(self.labels)),
            (self.labels / "cells.npz", lambda: [values.tolist() for values in read_cells(self.labels, 4)]),
            (self.labels / "confusion.npy", lambda: read_confusion(self.labels)[1].tolist()),
        ):
            content, expected = path.read_bytes(), read()
            for place in range(0, len(content), 11):
                flipped = bytearray(content)
                flipped[place] ^= 1 << (place % 8)
                path.write_bytes(flipped)
                with self.assertRaisesRegex(UserError, path.name):
                    read()
            path.write_bytes(content)
            self.assertEqual(read(), expected)

    def test_indexes_cut_anywhere(self):
        for path, read in (
            (self.predictions / "predictions.json", lambda: predictions.open_predictions(self.predictions)),
            (self.labels / "summary.json", lambda: read_summary(self.labels)),
        ):
            content = path.read_bytes()
            for size in range(0, len(content) - 1, 7):
                path.write_bytes(content[:size])
                with self.assertRaisesRegex(UserError, f"{path.name} is damaged"):
                    read()
            path.write_bytes(content)
