"""Clips of several labels from shards to metrics: the second objective behind the seam, on two replicas."""

import itertools
import json
import pathlib
import unittest.mock

import cv2
import gin
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized
from sklearn.metrics import average_precision_score

from spl_tf import configuration, evaluate, predict
from spl_tf.cleaning.clean_labels import clean_labels
from spl_tf.command import execute
from spl_tf.data.building.shards import write_shards
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.targets import join_targets
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.sidecars import open_labels_of
from spl_tf.errors import UserError
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.probe import probe_backbone
from spl_tf.inference.shard_scores import score_shards
from spl_tf.inference.trained_model import load_trained
from spl_tf.labels.assign import assign_labels
from spl_tf.training.objectives.multi_label import MultiLabel
from spl_tf.training.stage import train_stage

CLASSES = ("red", "green", "blue")
BGR = {"red": (40, 40, 200), "green": (40, 200, 40), "blue": (200, 40, 40)}
COMBINATIONS = [list(some) for size in (1, 2, 3) for some in itertools.combinations(CLASSES, size)]


def _write_video(path, colours, generator):
    """Eight frames of bars in the colours."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (36, 36))
    for _ in range(8):
        picture = np.concatenate([np.full((36, 36 // len(colours), 3), BGR[name], float) for name in colours], axis=1)
        writer.write(np.clip(picture + generator.normal(0, 15, picture.shape), 0, 255).astype(np.uint8))
    writer.release()


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> pathlib.Path:
    """Shards `train` and `test` of videos with one to three of the classes."""
    folder, generator = tmp_path_factory.mktemp("several"), np.random.default_rng(0)
    for name, copies in (("train", 3), ("test", 2)):
        rows = ["path,label"]
        for number, (colours, copy) in enumerate(itertools.product(COMBINATIONS, range(copies))):
            shown = [colours[place] for place in generator.permutation(len(colours))]
            _write_video(folder / f"{name}{number}.mp4", shown, generator)
            rows.append(f"{name}{number}.mp4,{'|'.join(colours)}")
            del copy
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
        options = {"classes": CLASSES, "clip_seconds": 0.0, "fps": 10, "short_side": 32, "keep_duplicates": True}
        write_shards(folder / f"{name}.csv", folder / name, num_shards=2, **options)
    return folder


@pytest.fixture(scope="module")
def trained(several, tiny_bindings) -> pathlib.Path:
    bindings = [
        *tiny_bindings,
        "train_stage.objective = @multi_label",
        "device_strategy.name = 'mirrored'",
        "train_stage.epochs = 24",
        "train_stage.evaluate_epochs = 12",
        "train_stage.select = 'best'",
        "train_stage.precision = 'float32'",
        "warmup_cosine.peak = 0.2",
        "classifier.dropout = 0.0",
        "training_clips.color_jitter = False",
    ]
    configuration.parse([], bindings)
    shards = {"train_shards": several / "train", "validation_shards": several / "test"}
    with gin.config_scope("teacher"):
        train_stage("teacher", several / "model", **shards)
    return several / "model"


def _truth(shards):
    """Labels of every video by its id, from the records themselves."""
    records = (record for shard in load_dataset(shards).shards for record in tf.data.TFRecordDataset(shard.path))
    clips = (clip_from_bytes(record.numpy()) for record in records)
    return {clip.video_id: np.isin(np.arange(3), clip.labels) for clip in clips}


class MultiLabelTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, several, trained, tiny_bindings, tmp_path):
        self.shards, self.model, self.tiny, self.folder = several, trained, tiny_bindings, tmp_path

    def test_it_was_trained_on_two_replicas_and_learned_something(self):
        metrics = json.loads((self.model / "metrics.json").read_text())
        self.assertEqual(set(metrics["train"]), {"loss", "hit_at_1"})
        self.assertGreater(metrics["train"]["hit_at_1"], 0.9)
        history = [entry["mean_average_precision"] for entry in metrics["evaluations"]]
        self.assertEqual(metrics["selected_step"], metrics["evaluations"][int(np.argmax(history))]["step"])
        self.assertEqual(load_trained(self.model).target, "several")
        for entry in metrics["evaluations"]:  # Every class has 12 clips in training: few.
            self.assertEqual(entry["mean_average_precision_few"], entry["mean_average_precision"])
            self.assertNotIn("mean_average_precision_many", entry)

    def test_a_loss_is_told_the_clips_that_training_uses_of_every_class(self):
        configuration.parse(
            [],
            [
                *self.tiny,
                "train_stage.objective = @multi_label",
                "train_stage.loss = @distribution_balanced",
                "distribution_balanced.mu = 0.4",
                "device_strategy.name = 'mirrored'",
                "train_stage.epochs = 1",
                "train_stage.precision = 'float32'",
            ],
        )
        with unittest.mock.patch.object(MultiLabel, "build", autospec=True, side_effect=MultiLabel.build) as built:
            metrics = train_stage("teacher", self.folder / "m", train_shards=self.shards / "train")
        counts = built.call_args.args[3]
        truth = np.stack([*_truth(self.shards / "train").values()])
        self.assertAllEqual(counts.clips, truth.sum(axis=0))
        self.assertEqual(counts.total, len(truth))
        self.assertBetween(metrics["train"]["loss"], 1e-3, 10.0)
        self.assertEqual(load_trained(self.folder / "m").clips_of_class, tuple(truth.sum(axis=0)))

    def test_evaluation_gives_scikit_learn_s_average_precisions_of_sigmoid_scores(self):
        argv = ["evaluate", f"--model_dir={self.model}", f"--shards={self.shards / 'test'}"]
        self.assertEqual(execute(evaluate.main, evaluate.FLAGS, "", [*argv, f"--output_dir={self.folder}"]), 0)
        metrics = json.loads((self.folder / "metrics.json").read_text())
        scores = np.load(self.folder / "scores.npy")
        videos = [line.split(",") for line in (self.folder / "videos.csv").read_text().splitlines()[1:]]
        truth = _truth(self.shards / "test")
        relevant = np.stack([truth[row[0]] for row in videos])
        self.assertEqual([row[1] for row in videos], ["|".join(np.array(CLASSES)[of_video]) for of_video in relevant])
        expected = [average_precision_score(relevant[:, index], scores[:, index]) for index in range(3)]
        found = [metrics["per_class"][name]["average_precision"] for name in CLASSES]
        self.assertAllClose(found, expected, 1e-5)
        self.assertAllClose(metrics["mean_average_precision"], np.mean(expected), 1e-5)
        self.assertGreater(np.mean(expected), 0.85)
        self.assertAllClose(
            metrics["micro_average_precision"], average_precision_score(relevant.ravel(), scores.ravel()), 1e-5
        )
        few = metrics["mean_average_precision_few"]  # All three.
        self.assertEqual(few, metrics["mean_average_precision"])
        self.assertIsNone(metrics["mean_average_precision_many"])
        self.assertNotAllClose(scores.sum(axis=1), np.ones(len(scores)), atol=0.05)  # No softmax.
        self.assertFalse((self.folder / "confusion.npy").exists())

    def test_predictions_keep_every_weak_label_and_the_highest_scores(self):
        argv = ["predict", f"--model_dir={self.model}", f"--shards={self.shards / 'test'}"]
        argv += [f"--output_dir={self.folder}", "--gin_param=predict_clips.top_k = 2"]
        self.assertEqual(execute(predict.main, predict.FLAGS, "", argv), 0)
        truth = _truth(self.shards / "test")
        for shard in load_dataset(self.shards / "test").shards:
            for row in pq.read_table(self.folder / f"{shard.name}.parquet").to_pylist():
                weak = truth[row["clip_id"].split("@")[0]]
                self.assertEqual(row["weak"], np.flatnonzero(weak).tolist())
                self.assertEqual((row["top_classes"][0], row["top_scores"][0]), (row["teacher"], row["confidence"]))
                self.assertLen(row["top_scores"], 2)
                self.assertGreaterEqual(row["top_scores"][0], row["top_scores"][1])

    def test_what_needs_one_class_a_clip_refuses_its_scores(self):
        shards = self.shards / "test"
        with self.assertRaisesRegex(UserError, "a matrix of label noise needs probabilities of one class a clip"):
            score_shards(self.model, shards)
        with self.assertRaisesRegex(UserError, "confident_learning needs probabilities of one class a clip"):
            clean_labels(self.model, shards, None, "confident_learning", self.folder / "L")
        with self.assertRaisesRegex(UserError, "several labels per clip: a probe learns one"):
            probe_backbone(self.model, shards, shards)
        predict_clips(self.model, shards, self.folder / "P")
        with self.assertRaisesRegex(UserError, "dawid_skene needs probabilities of one class a clip"):
            assign_labels(self.folder / "P", "dawid_skene", self.folder / "L")

    def test_a_single_label_objective_refuses_several_labels_and_says_what_fits(self):
        dataset = load_dataset(self.shards / "train")
        self.assertTrue(dataset.multi_label)
        with self.assertRaisesRegex(UserError, "several labels per clip: train with .*objective = @multi_label"):
            join_targets(dataset)
        with self.assertRaisesRegex(UserError, "summary.json does not exist"):
            open_labels_of(dataset, self.folder)
        configuration.parse(
            [], ["train_stage.objective = @multi_label", "train_stage.data_parameters = @DataParameters"]
        )
        with self.assertRaisesRegex(UserError, "the objective multi_label has no data_parameters"):
            train_stage("x", self.folder / "m", train_shards=self.shards / "train", epochs=1, batch_size=4)


if __name__ == "__main__":
    tf.test.main()
