"""Labels of shards are those of the whole, whatever lay in the folder before."""

import contextlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.files import write_json
from spl_tf.labels import sidecar_files
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.label_folder import read_summary, sidecar_digests
from spl_tf.labels.labellers import labeller
from tests.labels.assign_case import CLASSES, AssignCase


class AssignTest(AssignCase):
    @parameterized.parameters("weak", "teacher", "agreement", "spl", "spl_b", ("spl_m", 6), ("spl_d", 6))
    def test_sharded_assignment_equals_assignment_of_the_whole(self, strategy, num_labels=None):
        options = {"num_labels": num_labels} if num_labels else {}
        summary = assign_labels(self.predictions, strategy, self.labels, **options)
        label_map = labeller(strategy, **options).fit(count_pairs(self.weak, self.teacher, 4), CLASSES)
        expected = label_map.apply(self.weak, self.teacher)
        ids, labels, weights = self.written()
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
        self.assertAllEqual(self.written()[1], expected)
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
        self.assertAllEqual(self.written()[1], self.weak)

    def test_relabelling_leaves_no_file_of_the_earlier_run(self):
        assign_labels(self.predictions, "spl", self.labels)
        (self.labels / ".123.tmp.web-00009-of-00010.parquet").write_bytes(b"half")
        for path in self.predictions.glob("*.parquet"):
            path.unlink()
        self.write_predictions([200, 100])
        assign_labels(self.predictions, "weak", self.labels)
        self.assertAllEqual(self.written()[1], self.weak)
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

    def test_weak_labels_are_the_same_to_the_byte_whatever_the_teacher_says(self):
        digests = []
        for strategy, teacher in (("weak", "one"), ("weak", "two"), ("spl", "one"), ("spl", "two")):
            for position in range(4):
                name, rows = f"web-{position:05d}-of-00004", (slice(0, 100), slice(0), slice(100, 107), slice(107, 300))
                self.write_shard(name, rows[position], made_by={"model": teacher})
            content = json.loads((self.predictions / "predictions.json").read_text())
            write_json(self.predictions / "predictions.json", content | {"made_by": {"model": teacher}})
            with contextlib.redirect_stderr(io.StringIO()):
                assign_labels(self.predictions, strategy, self.labels)
            digests.append(sidecar_digests(self.labels))
        self.assertEqual(digests[0], digests[1])
        self.assertNotEqual(digests[2], digests[3])

    def test_a_broken_off_run_does_not_look_complete(self):
        assign_labels(self.predictions, "weak", self.labels)
        (self.labels / "confusion.npy").unlink()
        (self.labels / "confusion.npy").mkdir()
        with self.assertRaises(OSError):
            assign_labels(self.predictions, "weak", self.labels)
        self.assertFalse((self.labels / "summary.json").exists())

    def test_a_damaged_label_side_car_is_made_anew(self):
        assign_labels(self.predictions, "weak", self.labels)
        (self.labels / "web-00002-of-00004.parquet").write_bytes(b"cut")
        assign_labels(self.predictions, "weak", self.labels)
        self.assertAllEqual(self.written()[1], self.weak)

    def test_summary_names_classes_and_shards(self):
        written = assign_labels(self.predictions, "spl_b", self.labels)
        summary = read_summary(self.labels)
        self.assertEqual(summary.class_names, tuple(written["class_names"]))
        names = [f"web-{position:05d}-of-00004" for position in range(4)]
        self.assertEqual(summary.fingerprints, {name: f"print of {name}" for name in names})

    def test_labelling_does_not_import_tensorflow(self):
        code = "import sys, spl_tf.labels.assign, spl_tf.labels.summary_text, spl_tf.labels.classes; "
        code += "print([name for name in ('tensorflow', 'keras', 'matplotlib.pyplot') if name in sys.modules])"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(found.stdout.strip(), "[]")

    def test_many_shards_are_one_whole(self):
        """More than wait for each other at once."""
        self.write_predictions([1] * 300)
        summary = assign_labels(self.predictions, "spl_b", self.labels)
        self.assertLen(summary["shards"], 300)
        ids, labels, _ = self.written()
        self.assertAllEqual(ids, self.ids)
        self.assertAllEqual(labels, np.where(self.weak == self.teacher, self.weak, 4 + self.weak))
        self.assertAllEqual(summary["counts"], np.bincount(labels, minlength=8))
        expected = np.zeros((4, 4), np.int64)
        np.add.at(expected, (self.weak, self.teacher), 1)
        self.assertAllEqual(np.load(self.labels / "confusion.npy"), expected)


if __name__ == "__main__":
    tf.test.main()
