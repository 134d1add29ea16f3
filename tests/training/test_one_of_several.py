"""One label of several at a time: from shards to softmax scores, across epochs, killed, on two replicas."""

import json
import pathlib

import cv2
import gin
import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.data.building.shards import write_shards
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.input.targets import TrainingTargets, join_targets
from spl_tf.data.record import clip_from_bytes
from spl_tf.errors import UserError
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.trained_model import load_trained, require_distributions
from spl_tf.training.objectives.one_of_several import OneOfSeveral, one_of_several
from spl_tf.training.stage import train_stage
from spl_tf.training.state import create_state
from spl_tf.training.step import make_train_steps
from tests.interrupted import stopped_at_checkpoint
from tests.labels.several import several_labels

CLASSES = ("red", "green", "blue")
BGR = np.array([(40, 40, 200), (40, 200, 40), (200, 40, 40)], np.uint8)
# The mean class has 5 videos, so whichever of 0 and 1 comes first is given to 6 of its 7.
LABELS = [[0, 1], [0, 1], [0, 1], [0, 1, 2], [0, 1], [0, 1], [0], [1]]
OPTIONS = {"batch_size": 6, "seed": 7, "num_frames": 2, "frame_stride": 1, "crop_size": 16, "block_shards": 1}


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> pathlib.Path:
    """Two clips of each of eight videos of bars in the colours of their classes."""
    folder = tmp_path_factory.mktemp("one_of_several")
    rows = ["path,label"]
    for number, own in enumerate(LABELS):
        writer = cv2.VideoWriter(str(folder / f"{number}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (36, 36))
        picture = np.repeat(np.tile(BGR[own][None], (36, 1, 1)), 36 // len(own), axis=1)
        for frame in range(16):
            writer.write(cv2.circle(picture.copy(), (2 * frame, 3 + 4 * number), 3, (255, 255, 255), -1))
        writer.release()
        rows.append(f"{number}.mp4,{'|'.join(CLASSES[label] for label in own)}")
    (folder / "videos.csv").write_text("\n".join(rows) + "\n")
    options = {"classes": CLASSES, "clip_seconds": 0.8, "fps": 10, "short_side": 32, "keep_duplicates": True}
    write_shards(folder / "videos.csv", folder / "shards", num_shards=3, **options)
    return folder / "shards"


def _records(folder):
    for shard in load_dataset(folder).shards:
        for record in tf.data.TFRecordDataset(shard.path).as_numpy_iterator():
            yield clip_from_bytes(record)


class _Numbers(OneOfSeveral):
    """Rows of numbers in place of clips."""

    def prepare(self, batch):
        return batch["clips"]


class OneOfSeveralTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, shards, tmp_path, tiny_bindings, capfd):
        self.shards, self.folder, self.bindings, self.printed = shards, tmp_path, tiny_bindings, capfd
        self.dataset = load_dataset(shards)
        self.assertEqual(self.dataset.num_clips, 16)

    def _targets(self, assignment="balanced"):
        joined = join_targets(self.dataset, None, "several")
        return one_of_several(assignment=assignment).targets(joined, self.dataset, seed=7)

    def _batches(self, targets, count, **options):
        return list(training_clips(self.dataset, targets, **OPTIONS, **options).take(count).as_numpy_iterator())

    @parameterized.parameters("random", "balanced")
    def test_clips_of_a_video_share_a_label_of_theirs_of_the_epoch_across_its_borders(self, assignment):
        clips, targets = list(_records(self.shards)), self._targets(assignment)
        batches = self._batches(targets, 16)  # Six epochs, four of whose borders are inside a batch.
        index, label = (np.concatenate([batch[name] for batch in batches]) for name in ("index", "label"))
        labels = {}
        for place, (clip, own) in enumerate(zip(index.tolist(), label.tolist(), strict=True)):
            self.assertIn(own, clips[clip].labels)
            self.assertEqual(labels.setdefault((place // 16, clips[clip].video_id), own), own)
            self.assertEqual(own, targets.one_label(place // 16)[clip])
        self.assertLen(labels, 6 * 8)
        epochs = {tuple(labels[epoch, clip.video_id] for clip in clips) for epoch in range(6)}
        self.assertEqual(len(epochs) > 1, assignment == "balanced")
        for batch in batches:
            self.assertEqual(batch.keys(), {"clips", "color", "index", "labels", "known", "weights", "label"})
            expected = [[own in clips[clip].labels for own in range(3)] for clip in batch["index"]]
            self.assertAllEqual(batch["labels"], expected)
        self.assertNotIn("are left out", self.printed.readouterr().out)

    def test_resumed_streams_and_those_of_hosts_have_the_same_labels(self):
        whole = [batch["label"] for batch in self._batches(self._targets(), 6)]
        tail = self._batches(self._targets(), 4, start_step=2)  # The border of two epochs is in the first batch.
        self.assertAllEqual([batch["label"] for batch in tail], whole[2:])
        whole = [batch["label"] for batch in self._batches(self._targets(), 6, lanes=2)]
        hosts = [self._batches(self._targets(), 6, host=host, num_hosts=2) for host in range(2)]
        for label, *shares in zip(whole, *hosts, strict=True):
            self.assertAllEqual(np.concatenate([share["label"] for share in shares]), label)

    def test_side_cars_decide_and_clips_without_a_label_are_left_out_and_counted(self):
        has = [None if clip % 5 == 4 else [] if clip == 2 else [clip % 3, 2 - clip % 3] for clip in range(16)]
        has = [None if own is None else sorted(set(own)) for own in has]
        table = several_labels(has)
        rows = [np.flatnonzero(table.kept[shard.start :][: shard.records]) for shard in self.dataset.shards]
        joined = TrainingTargets("several", CLASSES, rows, np.zeros(3), table, np.ones(16, np.float32))
        targets = one_of_several().targets(joined, self.dataset, seed=0)
        self.assertIn("shards: 1 of 13 clips have no label and are left out", self.printed.readouterr().out)
        self.assertEqual(targets.num_clips, 12)
        for clip, (own, label) in enumerate(zip(has, targets.one_label(0), strict=True)):
            self.assertIn(label, own or [-1], clip)
        nothing = TrainingTargets("several", CLASSES, rows, np.zeros(3), several_labels([[]] * 16))
        with self.assertRaisesRegex(UserError, "no clip has a label, nothing is left to train on"):
            one_of_several().targets(nothing, self.dataset, seed=0)

    def test_masks_are_the_other_labels_and_those_of_which_nothing_is_known(self):
        logits = np.random.default_rng(0).normal(0, 2, (2, 4)).astype(np.float32)
        batch = {
            "labels": tf.constant([[1.0, 1, 0, 0], [0, 0, 1, 0]]),
            "known": tf.constant([[1.0, 1, 1, 0], [1, 1, 1, 1]]),
            "label": tf.constant([1, 2]),
        }
        for mask_others, left in ((True, [[1, 2], [0, 1, 2, 3]]), (False, [[0, 1, 2], [0, 1, 2, 3]])):
            losses = one_of_several(mask_others=mask_others).losses({"logits": logits}, batch, {}, tf.constant(0.0))
            sums = [np.exp(row[own].astype(np.float64)).sum() for row, own in zip(logits, left, strict=True)]
            self.assertAllClose(losses, np.log(sums) - logits[[0, 1], [1, 2]])
        measured = one_of_several().measures({"logits": tf.constant([[9.0, 1, 1, 1], [0, 0, 9, 0]])}, batch)
        self.assertEqual(
            {name: values.numpy().tolist() for name, values in measured.items()}.keys(), {*one_of_several().measured}
        )
        self.assertAllEqual(measured["accuracy"], [0, 1])
        self.assertAllEqual(measured["hit_at_1"], [1, 1])
        shown = {name: values.numpy() for name, values in batch.items()}
        self.assertEqual(one_of_several().describe(shown, "abcd"), ["b (of a too)", "c"])
        with self.assertRaisesRegex(UserError, "one_of_several.assignment = 'fair': choose random or balanced"):
            one_of_several(assignment="fair")

    def test_two_replicas_train_as_one(self):
        generator = np.random.default_rng(0)
        labels = (generator.random((6, 8, 3)) < 0.5).astype(np.float32)
        label = generator.integers(0, 3, (6, 8)).astype(np.int32)
        labels[np.arange(6)[:, None], np.arange(8), label] = 1
        data = {
            "clips": generator.normal(size=(6, 8, 5)).astype(np.float32),
            "labels": labels,
            "known": np.ones_like(labels),
            "label": label,
            "weights": generator.random((6, 8)).astype(np.float32),
        }
        weights = []
        for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
            strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())
            objective = _Numbers("balanced", mask_others=True)
            with strategy.scope():
                inputs = keras.Input((5,))
                dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(1))
                state = create_state(
                    keras.Model(inputs, {"logits": dense(inputs)}), keras.optimizers.SGD(0.5), objective
                )
            steps = tf.data.Dataset.from_tensor_slices(data)
            run = make_train_steps(state, strategy, objective, global_batch_size=8)
            trained = run(iter(strategy.experimental_distribute_dataset(steps)), tf.constant(6))
            self.assertGreater(trained.sums["loss"], 0)
            weights.append(state.model.get_weights())
        self.assertAllClose(weights[0], weights[1], 1e-5)

    def _train(self, folder):
        bindings = [
            *self.bindings,
            "train_stage.objective = @one_of_several",
            "one_of_several.assignment = 'balanced'",
            "one_of_several.mask_others = True",
            "training_clips.class_aware = True",
            "training_clips.color_jitter = False",
            "train_stage.epochs = 2.5",
            "train_stage.evaluate_epochs = 2.5",
            "train_stage.steps_per_loop = 2",
            "train_stage.checkpoint_seconds = 0.0",
            "train_stage.batch_size = 6",
            "train_stage.precision = 'float32'",
        ]
        configuration.parse([], bindings)
        with gin.config_scope("pretrain"):
            train_stage("pretrain", folder, train_shards=self.shards, validation_shards=self.shards)

    def test_from_shards_to_scores_and_killed_in_the_second_epoch_it_ends_with_equal_weights(self):
        whole, killed = self.folder / "whole", self.folder / "killed"
        self._train(whole)
        with stopped_at_checkpoint(2):  # After step 4 of 7: 24 of 40 clips.
            self._train(killed)
        self._train(killed)
        one, other = (load_trained(folder) for folder in (whole, killed))
        self.assertEqual(one.target, "single")
        for own, others in zip(one.network.get_weights(), other.network.get_weights(), strict=True):
            self.assertAllEqual(own, others)
        require_distributions(whole, "anything")
        metrics = json.loads((whole / "metrics.json").read_text())
        self.assertEqual(metrics["train"].keys(), {"loss", "accuracy", "hit_at_1"})
        (entry,) = metrics["evaluations"]
        self.assertEqual(entry["mean_average_precision_few"], entry["mean_average_precision"])  # No class has 20 clips.
        self.assertNotIn("mean_average_precision_many", entry)

        found = evaluate_model(whole, self.shards, self.folder / "evaluation")
        scores = np.load(self.folder / "evaluation" / "scores.npy")
        self.assertAllClose(scores.sum(axis=1), np.ones(8), 1e-5)
        self.assertAllClose(found["mean_average_precision"], entry["mean_average_precision"], 1e-4)
        predict_clips(whole, self.shards, self.folder / "predictions")
        labels = {clip.clip_id: clip.labels for clip in _records(self.shards)}
        for path in (self.folder / "predictions").glob("*.parquet"):
            for row in pq.read_table(path).to_pylist():
                self.assertEqual(row["weak"], labels[row["clip_id"]])
                self.assertAllClose(sum(row["top_scores"]), 1.0, 1e-5)


if __name__ == "__main__":
    tf.test.main()
