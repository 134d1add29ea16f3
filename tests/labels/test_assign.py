import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.files import write_json
from spl_tf.labels import sidecar_files
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.label_folder import read_summary, sidecar_digests
from spl_tf.labels.labellers import labeller
from tests.labels.label_folders import without_figures

CLASSES = ["archery", "bowling", "climbing", "diving"]


class AssignTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        # Drawing takes longer than all the rest; test_figures and test_label draw.
        self.enter_context(without_figures())
        root = pathlib.Path(self.get_temp_dir())
        self.predictions, self.labels = root / "P", root / "L"
        rng = np.random.default_rng(0)
        self.weak = rng.integers(4, size=300)
        self.teacher = np.where(rng.random(300) < 0.5, self.weak, rng.integers(4, size=300))
        self.confidence = rng.random(300).astype(np.float32)
        self.ids = np.array([f"clip {index}" for index in range(300)])
        self._write_predictions([100, 0, 7, 193])

    def _write_predictions(self, sizes, **index_changes):
        """Side-cars of the 300 clips in shards of the given sizes."""
        shards, start = {}, 0
        for position, size in enumerate(sizes):
            name, rows = f"web-{position:05d}-of-{len(sizes):05d}", slice(start, start + size)
            self._write_shard(name, rows)
            digest = sidecar_files.ids_digest(self.ids[rows])
            shards[name] = {"fingerprint": f"print of {name}", "ids_digest": digest, "records": size}
            start += size
        index = {"format_version": 1, "classes": CLASSES, "num_clips": 300, "shards": shards}
        write_json(self.predictions / "predictions.json", index | index_changes)

    def _write_shard(self, name, rows, **changes):
        columns = {"clip_ids": self.ids[rows], "weak": self.weak[rows], "teacher": self.teacher[rows]}
        columns |= {"confidence": self.confidence[rows], "shard_fingerprint": f"print of {name}"}
        sidecar_files.write_predictions(self.predictions / f"{name}.parquet", **columns | changes)

    def _written(self):
        """Ids, labels and weights of all shards, in order."""
        tables = [pq.read_table(path) for path in sorted(self.labels.glob("*.parquet"))]
        return [np.concatenate([table[name].to_numpy() for table in tables]) for name in sidecar_files.LABEL.names]

    @parameterized.parameters("weak", "teacher", "agreement", "spl", "spl_b", ("spl_m", 6), ("spl_d", 6))
    def test_sharded_assignment_equals_assignment_of_the_whole(self, strategy, num_labels=None):
        options = {"num_labels": num_labels} if num_labels else {}
        summary = assign_labels(self.predictions, strategy, self.labels, **options)
        label_map = labeller(strategy, **options).fit(count_pairs(self.weak, self.teacher, 4), CLASSES)
        expected = label_map.apply(self.weak, self.teacher)
        ids, labels, weights = self._written()
        self.assertAllEqual(ids, self.ids)
        self.assertAllEqual(labels, expected)
        self.assertAllEqual(weights, expected >= 0)

        self.assertEqual(summary, json.loads((self.labels / "summary.json").read_text()))
        self.assertEqual(summary["class_names"], list(label_map.class_names))
        self.assertAllEqual(summary["counts"], np.bincount(expected[expected >= 0], minlength=label_map.num_classes))
        self.assertEqual(summary["discarded"], np.sum(expected < 0))
        self.assertEqual(summary["kept"] + summary["discarded"], 300)
        self.assertEqual([shard["records"] for shard in summary["shards"].values()], [100, 0, 7, 193])
        kept = [np.sum(part >= 0) for part in np.split(expected, [100, 100, 107])]
        self.assertEqual([shard["kept"] for shard in summary["shards"].values()], kept)

    def test_labels_join_their_shard(self):
        assign_labels(self.predictions, "spl_b", self.labels)
        name = "web-00002-of-00004"
        column = sidecar_files.read_labels(
            self.labels / f"{name}.parquet",
            shard_name=name,
            shard_fingerprint=f"print of {name}",
            ids_digest=sidecar_files.ids_digest(self.ids[100:107]),
            num_records=7,
            num_classes=8,
        )
        weak, teacher = self.weak[100:107], self.teacher[100:107]
        self.assertAllEqual(column.labels, np.where(weak == teacher, weak, 4 + weak))

    def test_ratios_are_those_of_the_paper(self):
        summary = assign_labels(self.predictions, "spl_m", self.labels, num_labels=6)
        confusion = np.load(self.labels / "confusion.npy")
        self.assertAllEqual(confusion, count_pairs(self.weak, self.teacher, 4))
        off_diagonal = np.sort(confusion[~np.eye(4, dtype=bool)])[::-1]
        self.assertAlmostEqual(summary["noise_ratio"], off_diagonal.sum() / 300)
        self.assertAlmostEqual(summary["samples_cover_ratio"], (np.trace(confusion) + off_diagonal[:2].sum()) / 300)
        self.assertEqual((summary["kept"], summary["merged"]), (300, off_diagonal[2:].sum()))

    @parameterized.parameters("teacher", "agreement", "spl", "spl_b", "spl_m", "spl_d")
    def test_clips_below_the_confidence_are_discarded_and_do_not_choose_cells(self, strategy):
        summary = assign_labels(self.predictions, strategy, self.labels, min_confidence=0.6)
        sure = self.confidence >= 0.6
        usable = count_pairs(self.weak[sure], self.teacher[sure], 4)
        expected = np.where(sure, labeller(strategy).fit(usable, CLASSES).apply(self.weak, self.teacher), -1)
        self.assertAllEqual(self._written()[1], expected)
        self.assertEqual(summary["kept"], np.sum(expected >= 0))
        self.assertEqual(sum(summary["counts"]), summary["kept"])
        self.assertAlmostEqual(summary["samples_cover_ratio"], (summary["kept"] - summary["merged"]) / 300)
        # The matrix and its noise ratio are of all clips.
        self.assertAllEqual(np.load(self.labels / "confusion.npy"), count_pairs(self.weak, self.teacher, 4))
        self.assertAlmostEqual(summary["noise_ratio"], np.mean(self.weak != self.teacher))

    def test_weak_labels_ignore_the_confidence_and_say_so(self):
        with self.assertLogs("absl", "WARNING") as logs:
            summary = assign_labels(self.predictions, "weak", self.labels, min_confidence=0.6)
        self.assertIn("min_confidence is ignored", logs.output[0])
        self.assertEqual((summary["kept"], summary["min_confidence"]), (300, 0))
        self.assertAllEqual(self._written()[1], self.weak)

    def test_relabelling_leaves_no_file_of_the_earlier_run(self):
        assign_labels(self.predictions, "spl", self.labels)
        (self.labels / ".123.tmp.web-00009-of-00010.parquet").write_bytes(b"half")
        for path in self.predictions.glob("*.parquet"):
            path.unlink()
        self._write_predictions([200, 100])
        assign_labels(self.predictions, "weak", self.labels)
        self.assertAllEqual(self._written()[1], self.weak)
        expected = {
            "web-00000-of-00002.parquet",
            "web-00001-of-00002.parquet",
            "cells.npz",
            "confusion.npy",
            "summary.json",
            "SHA256SUMS",
        }
        self.assertEqual(set(os.listdir(self.labels)), expected | {".lock"})

    def test_other_labels_are_set_aside_whole_and_the_same_ones_replaced(self):
        before = assign_labels(self.predictions, "spl", self.labels)
        content = {path.name: path.read_bytes() for path in self.labels.glob("[!.]*")}
        (self.labels / "features").mkdir()  # Which all methods of cleaning share.
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            assign_labels(self.predictions, "weak", self.labels)
        self.assertEqual(said.getvalue(), f"{self.labels} holds other labels: set aside as L.replaced-1\n")
        aside = self.labels.with_name("L.replaced-1")
        self.assertEqual({path.name: path.read_bytes() for path in aside.iterdir()}, content)
        self.assertEqual(read_summary(aside).class_names, tuple(before["class_names"]))
        assign_labels(self.predictions, "weak", self.labels)
        self.assertTrue((self.labels / "features").exists())
        self.assertEqual(sorted(os.listdir(self.labels.parent)), ["L", "L.replaced-1", "P"])

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

    def test_weak_labels_are_the_same_to_the_byte_whatever_the_teacher_says(self):
        digests = []
        for strategy, teacher in (("weak", "one"), ("weak", "two"), ("spl", "one"), ("spl", "two")):
            for position in range(4):
                name, rows = f"web-{position:05d}-of-00004", (slice(0, 100), slice(0), slice(100, 107), slice(107, 300))
                self._write_shard(name, rows[position], made_by={"model": teacher})
            content = json.loads((self.predictions / "predictions.json").read_text())
            write_json(self.predictions / "predictions.json", content | {"made_by": {"model": teacher}})
            with contextlib.redirect_stderr(io.StringIO()):
                assign_labels(self.predictions, strategy, self.labels)
            digests.append(sidecar_digests(self.labels))
        self.assertEqual(digests[0], digests[1])
        self.assertNotEqual(digests[2], digests[3])

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

    def test_a_broken_off_run_does_not_look_complete(self):
        assign_labels(self.predictions, "weak", self.labels)
        (self.labels / "confusion.npy").unlink()
        (self.labels / "confusion.npy").mkdir()
        with self.assertRaises(OSError):
            assign_labels(self.predictions, "weak", self.labels)
        self.assertFalse((self.labels / "summary.json").exists())

    def test_bad_predictions_leave_the_earlier_labels_alone(self):
        before = assign_labels(self.predictions, "spl", self.labels)
        self.weak[250] = 4
        self._write_predictions([100, 0, 7, 193])
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

    def test_a_damaged_label_side_car_is_made_anew(self):
        assign_labels(self.predictions, "weak", self.labels)
        (self.labels / "web-00002-of-00004.parquet").write_bytes(b"cut")
        assign_labels(self.predictions, "weak", self.labels)
        self.assertAllEqual(self._written()[1], self.weak)

    def test_summary_names_classes_and_shards(self):
        written = assign_labels(self.predictions, "spl_b", self.labels)
        summary = read_summary(self.labels)
        self.assertEqual(summary.class_names, tuple(written["class_names"]))
        names = [f"web-{position:05d}-of-00004" for position in range(4)]
        self.assertEqual(summary.fingerprints, {name: f"print of {name}" for name in names})

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
        self._write_shard("web-00002-of-00004", slice(100, 107), **changes)
        with self.assertRaisesRegex(UserError, "web-00002-of-00004.parquet .*" + message):
            assign_labels(self.predictions, "spl", self.labels)

    def test_a_sidecar_of_another_length_is_named(self):
        self._write_shard("web-00002-of-00004", slice(100, 106))
        with self.assertRaisesRegex(UserError, "web-00002-of-00004.parquet has 6 rows, .*predictions.json says 7"):
            assign_labels(self.predictions, "spl", self.labels)

    def test_a_cut_sidecar_is_named(self):
        path = self.predictions / "web-00003-of-00004.parquet"
        path.write_bytes(path.read_bytes()[:-9])
        with self.assertRaisesRegex(UserError, "web-00003-of-00004.parquet is damaged .*run spl_tf.predict again"):
            assign_labels(self.predictions, "spl", self.labels)

    def test_predictions_over_fewer_classes_are_refused(self):
        self._write_predictions([300], classes=CLASSES[:3])
        with self.assertRaisesRegex(UserError, "row [0-9]+ has the weak class 3, but predictions.json lists 3 classes"):
            assign_labels(self.predictions, "spl", self.labels)

    @parameterized.parameters(
        ({"format_version": 2}, "format version 2, this package reads 1"),
        ({"classes": None}, "is damaged or not ours .classes: expected array, got null"),
        ({"shards": {}}, "no clips"),
        ({"shards": ["web"]}, "is damaged or not ours .shards: expected object, got array"),
    )
    def test_a_wrong_index_is_refused(self, changes, message):
        self._write_predictions([300], **changes)
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

    def test_labelling_does_not_import_tensorflow(self):
        code = "import sys, spl_tf.labels.assign, spl_tf.labels.summary_text, spl_tf.labels.classes; "
        code += "print([name for name in ('tensorflow', 'keras', 'matplotlib.pyplot') if name in sys.modules])"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(found.stdout.strip(), "[]")


if __name__ == "__main__":
    tf.test.main()
