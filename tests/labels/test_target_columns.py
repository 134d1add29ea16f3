"""Targets of every form in a label side-car: they come back as written, and what is no target is refused by row."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import label_writing, sidecar_files
from spl_tf.labels.target_columns import SCHEMAS
from spl_tf.labels.targets import SingleLabels, SparseTargets, distributions
from tests.labels.several import several_labels

IDS = [f"clip {row}" for row in range(4)]
SEVERAL = several_labels([[4, 0], None, [], [2]], [[1], [], [3, 2], []])
DISTRIBUTION = distributions(
    np.array([[0.25, 0, 0.75, 0, 0], [0] * 5, [0, 0, 0, 0, 1], [0.2] * 5]), np.array([True, False, True, True])
)


class TargetColumnsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.create_tempdir().full_path, "web-00003-of-00008.parquet")

    def _write(self, *batches, weights=(1.0, 0.0, 0.5, 1.0)):
        form, ids = batches[0].form, sidecar_files.ids_digest(IDS)
        start = 0
        with sidecar_files.label_writer(self.path, shard_fingerprint="f", ids_digest=ids, form=form) as writer:
            for targets in batches:
                rows = slice(start, start + len(targets))
                batch = sidecar_files.label_batch(pa.array(IDS[rows]), targets, np.array(weights[rows]))
                writer.write_batch(batch)
                start = rows.stop

    def _write_columns(self, form, **columns):
        """Cells as they are given, unchecked."""
        columns = {"clip_id": IDS, **columns, "weight": np.ones(4)}
        metadata = {"shard_fingerprint": "f", "ids_digest": sidecar_files.ids_digest(IDS)}
        pq.write_table(pa.table(columns, schema=SCHEMAS[form].with_metadata(metadata)), self.path)

    def _read(self, form, num_classes=5):
        return sidecar_files.read_labels(
            self.path,
            shard_name="web",
            shard_fingerprint="f",
            ids_digest=sidecar_files.ids_digest(IDS),
            num_records=4,
            num_classes=num_classes,
            form=form,
        )

    def _assert_equal(self, found, expected):
        self.assertEqual(found.form, expected.form)
        self.assertAllEqual(found.kept, expected.kept)
        self.assertEqual((found.classes.dtype, found.values.dtype), (np.int32, np.float32))
        for row in np.flatnonzero(expected.kept):
            one, other = found.take([row]), expected.take([row])
            self.assertAllEqual(one.classes, other.classes)
            self.assertAllEqual(one.values, other.values)

    @parameterized.parameters(SEVERAL, DISTRIBUTION)
    def test_targets_come_back_as_written(self, targets):
        self._write(targets)
        column = self._read(targets.form)
        self._assert_equal(column.targets, targets)
        self.assertAllEqual(column.weights, np.float32([1, 0, 0.5, 1]))
        self.assertEqual(pq.read_schema(self.path).names, SCHEMAS[targets.form].names)

    @parameterized.parameters(SEVERAL, DISTRIBUTION)
    def test_batches_are_joined(self, targets):
        self._write(targets.take(np.array([0, 1])), targets.take(np.array([2, 3])))
        self._assert_equal(self._read(targets.form).targets, targets)

    def test_the_cells_are_those_of_the_format(self):
        self._write(SEVERAL)
        cells = pq.read_table(self.path)
        self.assertEqual(cells["labels"].to_pylist(), [[4, 0], None, [], [2]])
        self.assertEqual(cells["masked"].to_pylist(), [[1], [], [3, 2], []])
        self._write(DISTRIBUTION)
        cells = pq.read_table(self.path)
        self.assertEqual(cells["classes"].to_pylist(), [[0, 2], None, [4], [0, 1, 2, 3, 4]])
        self.assertEqual(cells["probabilities"].to_pylist()[:3], [[0.25, 0.75], None, [1.0]])

    def test_a_discarded_clip_keeps_no_entries(self):
        self._write(DISTRIBUTION.only(np.array([False, True, True, True])))
        targets = self._read("distribution").targets
        self.assertAllEqual(targets.kept, [False, False, True, True])
        self.assertAllEqual(targets.offsets, [0, 0, 0, 1, 6])

    def test_clips_per_class_count_kept_clips_without_the_masked(self):
        self.assertAllEqual(SingleLabels(np.array([0, -1, 2, 2])).clips_per_class(4), [1, 0, 2, 0])
        self.assertAllEqual(SEVERAL.clips_per_class(5), [1, 0, 1, 0, 1])
        self.assertAllClose(
            DISTRIBUTION.only(np.array([True, True, False, True])).clips_per_class(5), [0.45, 0.2, 0.95, 0.2, 0.2]
        )

    def test_the_single_labels_of_other_forms_are_refused(self):
        self._write(DISTRIBUTION)
        with self.assertRaisesRegex(UserError, "form 'distribution', one class a clip is needed: use labels"):
            self._read("distribution").labels  # noqa: B018
        with self.assertRaisesRegex(UserError, "has no column 'label' of type int32: run spl_tf.label again"):
            self._read("single")
        with self.assertRaisesRegex(UserError, "has no column 'labels' of type list"):
            self._read("several")

    @parameterized.parameters(
        ("several", {"labels": [[4, 0], None, [], [5]], "masked": [[]] * 4}, "row 3 has label 5, but there are 5"),
        ("several", {"labels": [[4, 0], None, [], [2]], "masked": [[], [], [-1], []]}, "row 2 has label -1, but"),
        ("several", {"labels": [[4, 0], None, [], [2, 3, 2]], "masked": [[]] * 4}, "row 3 has label 2 twice"),
        ("several", {"labels": [[4, 0], None, [], []], "masked": [[1, 4], [], [], []]}, "row 0 has label 4 twice"),
        ("several", {"labels": [[4, None], None, [], []], "masked": [[]] * 4}, "has empty cells"),
        ("several", {"labels": [[4], None, [], []], "masked": [[], [], None, []]}, "has empty cells"),
        (
            "distribution",
            {"classes": [[0], [1], None, [0, 5]], "probabilities": [[1], [1], None, [0.5, 0.5]]},
            "row 3 has label 5, but there are 5 classes",
        ),
        (
            "distribution",
            {"classes": [[0], [1, 1], None, [0]], "probabilities": [[1], [0.5, 0.5], None, [1]]},
            "row 1 has label 1 twice",
        ),
        (
            "distribution",
            {"classes": [[0], [1, 2], None, [0]], "probabilities": [[1], [1], None, [1]]},
            "row 1 has 2 classes and 1 probabilities",
        ),
        (
            "distribution",
            {"classes": [[0], [1, 2], None, [0]], "probabilities": [[1], [1.5, -0.5], None, [1]]},
            "row 1 has probabilities that are negative",
        ),
        (
            "distribution",
            {"classes": [[0], None, None, [0, 1]], "probabilities": [[1], None, None, [0.5, 0.498]]},
            "row 3 has probabilities whose sum is not 1",
        ),
        (
            "distribution",
            {"classes": [[0], [], None, [0]], "probabilities": [[1], [], None, [1]]},
            "row 1 has probabilities whose sum is not 1",
        ),
        (
            "distribution",
            {"classes": [[0], [1], None, [0]], "probabilities": [[1], [float("nan")], None, [1]]},
            "row 1 has probabilities whose sum is not 1",
        ),
        (
            "distribution",
            {"classes": [[0], [1], None, [0]], "probabilities": [[1], None, None, [1]]},
            "has empty cells",
        ),
    )
    def test_cells_that_are_no_targets_are_refused(self, form, columns, message):
        self._write_columns(form, **columns)
        with self.assertRaisesRegex(UserError, f"web-00003-of-00008.parquet {message}.*: run spl_tf.label again"):
            self._read(form)

    def test_a_sum_of_probabilities_may_be_off_by_a_thousandth(self):
        probabilities = [[0.5, 0.4995], [1.0], None, [1.0005]]
        self._write_columns("distribution", classes=[[0, 1], [1], None, [0]], probabilities=probabilities)
        self.assertAllClose(self._read("distribution").targets.values, [0.5, 0.4995, 1, 1.0005])

    @parameterized.parameters(float("nan"), float("inf"))
    def test_weights_must_be_finite(self, weight):
        for targets in (SEVERAL, DISTRIBUTION, SingleLabels(np.array([0, -1, 2, 2]))):
            self._write(targets, weights=(1.0, 1.0, weight, 1.0))
            with self.assertRaisesRegex(UserError, f"row 2 has the weight {weight}: run spl_tf.label again"):
                self._read(targets.form)

    def test_a_flipped_bit_is_found_in_lists_too(self):
        self._write(DISTRIBUTION)
        with open(self.path, "rb") as opened:
            content = bytearray(opened.read())
        column = pq.ParquetFile(self.path).metadata.row_group(0).column(2)
        self.assertEqual(column.path_in_schema.split(".")[0], "probabilities")
        content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
        with open(self.path, "wb") as opened:
            opened.write(content)
        with self.assertRaisesRegex(UserError, "is damaged"):
            self._read("distribution")

    def test_every_form_is_known_for_a_label_file(self):
        for targets in (SEVERAL, DISTRIBUTION, SingleLabels(np.array([0, -1, 2, 2]))):
            self._write(targets)
            label_writing.require_labels(self.path, "")
        pq.write_table(pa.table({"clip_id": IDS}), self.path)
        with self.assertRaisesRegex(UserError, "has no column 'label' of type int32: choose another"):
            label_writing.require_labels(self.path, "choose another")

    def test_take_keeps_lists_together(self):
        rows = np.array([3, 0, 0, 1])
        expected = np.float32([[0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [0] * 5])
        self.assertAllEqual(SEVERAL.take(rows).dense(5), expected)
        self.assertIsInstance(SEVERAL.take(rows), SparseTargets)


if __name__ == "__main__":
    tf.test.main()
