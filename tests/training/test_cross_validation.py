"""Every clean clip is predicted by the network of its fold, which did not learn from it."""

import pathlib
import re
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from spl_tf import cross_validate as command
from spl_tf.data.dataset import load_dataset
from spl_tf.data.survey import read_heads
from spl_tf.errors import UserError
from spl_tf.labels import assign, sidecar_files
from spl_tf.labels.predictions import Predictions, made_by, open_predictions, write_index
from spl_tf.labels.teacher_confusion import held_out_confusion
from spl_tf.training import cross_validation
from tests.commands import assert_mistake, run_command
from tests.labels.label_folders import without_figures
from tests.training.stage_case import StageCase


class CrossValidationTest(StageCase):
    def setUp(self):
        super().setUp()
        self.enter_context(without_figures())
        self.target, self.output = self.shards / "target", self.folder / "H"
        self.dataset = load_dataset(self.target)
        self.heads = list(read_heads(self.dataset))
        self.learned = {}

    def _train(self, stage, folder, *, train_shards, labels_dir, seed):
        """In place of training: which clips it would learn from."""
        tables = [pq.read_table(labels_dir / f"{shard.name}.parquet") for shard in self.dataset.shards]
        labels = [label for table in tables for label in table["label"].to_pylist()]
        ids = [clip_id for table in tables for clip_id in table["clip_id"].to_pylist()]
        self.learned[folder] = {clip_id for clip_id, label in zip(ids, labels, strict=True) if label >= 0}
        for head, label in zip(self.heads, labels, strict=True):
            self.assertIn(label, (-1, head.labels[0]))

    def _predict(self, folder, shards, output, *, top_k):
        """In place of prediction: each clip is of class 0, and as sure as the number of the fold says."""
        fold, described = int(folder.parent.name), {"model": folder.parent.name, "top_k": top_k}
        headers = {}
        for shard in self.dataset.shards:
            own = self.heads[shard.start : shard.start + shard.records]
            scores = np.tile([0.5 + fold / 10, 0.5 - fold / 10], (len(own), 1))
            sidecar_files.write_predictions(
                output / f"{shard.name}.parquet",
                clip_ids=[head.clip_id for head in own],
                weak=np.array([head.labels[0] for head in own]),
                teacher=np.zeros(len(own)),
                confidence=scores[:, 0],
                top_classes=np.tile([0, 1], (len(own), 1)),
                top_scores=scores,
                shard_fingerprint=shard.fingerprint,
                made_by=described,
            )
            headers[shard.name] = sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest, described)
        write_index(Predictions(output, self.dataset.classes, headers), described)

    def _run(self, **options):
        with (
            mock.patch.object(cross_validation, "train_stage", self._train),
            mock.patch.object(cross_validation, "predict_clips", self._predict),
        ):
            return cross_validation.cross_validate("teacher", self.target, self.output, **options)

    def test_a_clip_is_predicted_by_the_network_that_did_not_learn_from_it(self):
        confusion = self._run(num_folds=3)
        self.assertLen(self.learned, 3)
        found = open_predictions(self.output)
        self.assertEqual(made_by(found)["folds"], 3)
        rows = [row for name in found.shards for row in pq.read_table(found.path(name)).to_pylist()]
        self.assertEqual([row["clip_id"] for row in rows], [head.clip_id for head in self.heads])
        folds = [round(10 * (row["confidence"] - 0.5)) for row in rows]
        for number in range(3):
            left_out = {row["clip_id"] for row, fold in zip(rows, folds, strict=True) if fold == number}
            learned = self.learned[self.output / "folds" / str(number) / "network"]
            self.assertEmpty(left_out & learned)
            self.assertLen(left_out | learned, len(rows))
        counts = np.zeros((self.dataset.num_classes,) * 2)
        for head in self.heads:
            counts[head.labels[0], 0] += 1
        self.assertAllEqual(confusion, counts)
        self.assertIn("cross-validated in 3 folds", held_out_confusion(found).source)

    def test_again_it_is_the_same_and_with_other_folds_refused(self):
        self._run(num_folds=2)
        before = {path.name: path.read_bytes() for path in self.output.glob("*.parquet")}
        self._run(num_folds=2)
        self.assertEqual({path.name: path.read_bytes() for path in self.output.glob("*.parquet")}, before)
        with self.assertRaisesRegex(UserError, "was predicted with another"):
            self._run(num_folds=3)

    def _folds(self, same_scene):
        """What the network of each fold would learn from."""
        self.output, self.learned = self.output.with_name(self.output.name + "x"), {}
        self._run(num_folds=2, same_scene=same_scene)
        return list(self.learned.values())

    def test_videos_of_one_scene_come_into_one_fold(self):
        alone = self._folds(None)
        self.assertEqual(self._folds(re.compile(".+")), alone)
        with self.assertRaisesRegex(UserError, "--same_scene finds nothing in the video id"):
            self._run(num_folds=2, same_scene=re.compile("^no such"))
        with self.assertRaisesRegex(UserError, "class .* has [01] groups of clean videos"):
            self._run(num_folds=2, same_scene=re.compile("^"))

    def test_the_command_refuses_what_is_none_of_its_own(self):
        file = self.folder / "my.gin"
        file.write_text("train_stage.epochs = 1\n")
        options = [f"--gin_file={file}", f"--shards={self.target}", f"--output_dir={self.output}"]
        assert_mistake(run_command(command, *options, "--folds=1"), "--folds")
        result = run_command(command, *options, "--same_scene=(")
        assert_mistake(result, "--same_scene=( is no regular expression")
        assert_mistake(run_command(command, *options[:2], f"--output_dir={self.target}"), "is a folder of shards")

    @pytest.mark.slow
    def test_real_networks_and_labels_by_what_they_say(self):
        options = [f"--gin_param={binding}" for binding in (*self.bindings, "train_stage.precision = 'float32'")]
        file = self.folder / "my.gin"
        file.write_text("train_stage.epochs = 2\n")
        arguments = [f"--gin_file={file}", f"--shards={self.target}", f"--output_dir={self.output}", "--folds=2"]
        code, out, err = run_command(command, *arguments, *options)
        self.assertEqual(code, 0, err)
        self.assertIn(f"of {len(self.heads):,} clean clips", out)
        before = {path: path.stat().st_mtime_ns for path in self.output.glob("folds/*/network/folded.keras")}
        self.assertLen(before, 2)
        code, again, err = run_command(command, *arguments, *options)
        self.assertEqual((code, again.splitlines()[-4:]), (0, out.splitlines()[-4:]), err)
        self.assertEqual({path: path.stat().st_mtime_ns for path in before}, before)
        # What a network learned from candidates is a network like any other.
        assign.assign_labels(self.output, "partial", self.folder / "L")
        bindings = ("train_stage.objective = @partial_label",)
        self.train("p", "pretrain", bindings, labels_dir=self.folder / "L", validation_shards=self.shards / "test")
        metrics = pathlib.Path(self.folder / "p" / "metrics.json").read_text()
        self.assertIn("hit_at_1", metrics)
        self.assertIn("top_1", metrics)


if __name__ == "__main__":
    tf.test.main()
