"""Candidates {l, t}, from predictions to side-cars to the targets of a batch."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.targets import TrainingTargets
from spl_tf.errors import UserError
from spl_tf.labels import assign, sidecar_files
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.labellers import partial
from spl_tf.labels.targets import CANDIDATES, require_form
from tests.labels.assign_case import CLASSES, AssignCase


class PartialLabelsTest(AssignCase):
    def _candidates(self):
        tables = [pq.read_table(path) for path in sorted(self.labels.glob("*.parquet"))]
        return [cell for table in tables for cell in table["candidates"].to_pylist()]

    @parameterized.parameters(0.0, 0.5)
    def test_both_are_candidates_and_one_where_they_agree(self, min_confidence):
        summary = assign.assign_labels(self.predictions, "partial", self.labels, min_confidence=min_confidence)
        expected = []
        for query, seen, sure in zip(self.weak.tolist(), self.teacher.tolist(), self.confidence, strict=True):
            expected.append(None if sure < min_confidence else [query] if query == seen else [query, seen])
        self.assertEqual(self._candidates(), expected)
        kept = [own for own in expected if own is not None]
        self.assertEqual((summary["target"], summary["kept"]), ("candidates", len(kept)))
        self.assertEqual(summary["counts"], [sum(index in own for own in kept) for index in range(4)])

    def test_they_come_back_as_targets_of_a_batch(self):
        assign.assign_labels(self.predictions, "partial", self.labels, min_confidence=0.5)
        name, rows = "web-00003-of-00004", slice(107, 300)
        column = sidecar_files.read_labels(
            self.labels / f"{name}.parquet",
            shard_name=name,
            shard_fingerprint=f"print of {name}",
            ids_digest=sidecar_files.ids_digest(self.ids[rows]),
            num_records=193,
            num_classes=4,
            form=CANDIDATES,
        )
        kept = np.flatnonzero(self.confidence[rows] >= 0.5)
        self.assertAllEqual(np.flatnonzero(column.targets.kept), kept)
        counts = column.targets.clips_per_class(4)
        targets = TrainingTargets(CANDIDATES, tuple(CLASSES), [kept], counts, column.targets, column.weights)
        batch = targets.look_up({"index": tf.constant(kept)})
        expected = np.zeros((len(kept), 4))
        for place, clip in enumerate(kept + 107):
            expected[place, [self.weak[clip], self.teacher[clip]]] = 1
        self.assertAllEqual(batch["labels"], expected)
        self.assertEqual(set(batch), {"index", "weights", "labels"})

    @parameterized.parameters(
        ([0, 4], "row 2 has label 4, but there are 4 classes"),
        ([1, 1], "row 2 has label 1 twice"),
        ([], "row 2 has no candidate, and is not discarded"),
        ([None], "has empty cells"),
    )
    def test_what_are_no_candidates_is_refused_by_row(self, cell, message):
        assign.assign_labels(self.predictions, "partial", self.labels)
        path = self.labels / "web-00002-of-00004.parquet"
        table = pq.read_table(path)
        cells = table["candidates"].to_pylist()
        cells[2] = cell
        column = table.schema.field("candidates")
        position = table.schema.get_field_index("candidates")
        pq.write_table(table.set_column(position, column, pa.array(cells, column.type)), path)
        with self.assertRaisesRegex(UserError, message):
            sidecar_files.read_labels(
                path,
                shard_name="web",
                shard_fingerprint="print of web-00002-of-00004",
                ids_digest=sidecar_files.ids_digest(self.ids[100:107]),
                num_records=7,
                num_classes=4,
                form=CANDIDATES,
            )

    def test_they_are_for_one_objective_alone(self):
        require_form("single", CANDIDATES, "L")
        for form, wanted in ((CANDIDATES, "single"), (CANDIDATES, "several"), ("distribution", CANDIDATES)):
            with self.assertRaisesRegex(
                UserError, "L gives every clip .*: give train_stage.objective the one that fits"
            ):
                require_form(form, wanted, "L")

    def test_no_clip_is_no_candidate(self):
        no_clip = np.zeros(0, np.int32)
        self.assertLen(partial(np.eye(4), CLASSES).targets(Pairs(no_clip, no_clip)), 0)


if __name__ == "__main__":
    tf.test.main()
