"""Metrics of a network against numpy on its scores and on the files an evaluation leaves."""

import contextlib
import dataclasses
import io
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from sklearn.metrics import average_precision_score

from spl_tf import command
from spl_tf import evaluate as evaluate_command
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference.evaluation import average_videos, evaluate_model
from spl_tf.inference.scores import score_trained
from spl_tf.inference.trained_model import ClipInput, load_trained, save_trained
from spl_tf.metrics.single_label import evaluate_single_label
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d
from tests.written import csv_rows

# As many classes as make a top-5 that can fail.
CLASSES = ("red", "green", "blue", "cyan", "magenta", "yellow", "black", "white")
CLIP_INPUT = ClipInput(4, 2, 28, short_side=32, fps=10.0)


@pytest.fixture(scope="module")
def random_dir(tmp_path_factory):
    """Folder of an untrained network of eight classes."""
    folder = tmp_path_factory.mktemp("random") / "m"
    keras.utils.set_random_seed(0)
    network = classifier(resnet3d(depth=10, width_multiplier=0.125, folded=True), len(CLASSES), seed=3)
    clips = np.random.default_rng(0).normal(size=(4, 4, 28, 28, 3))
    scale = 3 / np.std(network(clips)["logits"])  # Far from equal scores, so that no rounding decides.
    *others, kernel, bias = network.get_weights()
    bias[-1] = -100  # The last class comes last for every clip.
    network.set_weights([*others, scale * kernel, bias])
    save_trained(folder, network, CLASSES, CLIP_INPUT)
    return folder


def _scores_of_videos(records):
    """Video id -> the plain mean of the scores of its clips, in the order of the records."""
    ids = dict.fromkeys(record[3] for record in records)
    return {video: np.mean([record[5] for record in records if record[3] == video], axis=0) for video in ids}


@pytest.fixture(scope="module")
def web_dir(color_shards, random_dir, records_by_hand, rewrite_shards, tmp_path_factory):
    """The web shards, 6 clips a video; the network ranks the label of video i in place i modulo 7: none is white."""
    records = records_by_hand(random_dir / "folded.keras", color_shards / "web", CLIP_INPUT)
    scores = _scores_of_videos(records)
    labels = {video: int(np.argsort(-scores[video])[i % 7]) for i, video in enumerate(scores)}

    def relabel(clips):
        for clip in clips:
            clip.labels = [labels[clip.video_id]]
        return clips

    return rewrite_shards(color_shards / "web", tmp_path_factory.mktemp("web") / "web", relabel, classes=CLASSES)


def _videos(folder):
    return csv_rows(folder / "videos.csv")


class EvaluateTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, trained_dir, random_dir, web_dir, records_by_hand, rewrite_shards):
        self.shards, self.trained_dir, self.random_dir, self.web_dir = color_shards, trained_dir, random_dir, web_dir
        self.records_by_hand, self.rewrite_shards = records_by_hand, rewrite_shards

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.parameters(1, 2)
    def test_metrics_are_those_of_scores_averaged_over_clips_and_views(self, num_views):
        metrics = evaluate_model(self.random_dir, self.web_dir, self.folder, num_views=num_views, batch_size=7)
        records = self.records_by_hand(self.random_dir / "folded.keras", self.web_dir, CLIP_INPUT, num_views)
        label_of_video = {record[3]: record[4][0] for record in records}
        labels, scores = np.array([*label_of_video.values()]), np.stack([*_scores_of_videos(records).values()])
        ranked = np.argsort(-scores, axis=1)
        self.assertEqual((metrics["videos"], metrics["clips"]), (12, 72))
        self.assertAllClose(metrics["top_1"], np.mean(ranked[:, 0] == labels))
        self.assertAllClose(metrics["top_5"], np.mean(np.any(ranked[:, :5] == labels[:, None], axis=1)))
        if num_views == 1:  # Places 0 to 6, then 0 to 4.
            self.assertAllClose((metrics["top_1"], metrics["top_5"]), (2 / 12, 10 / 12))
        self.assertEqual(json.loads((self.folder / "metrics.json").read_text()), metrics)
        precisions = [average_precision_score(labels == label, scores[:, label]) for label in sorted({*labels})]
        self.assertAllClose(metrics["mean_average_precision"], np.mean(precisions))

        confusion = np.zeros((8, 8), int)
        for label, prediction in zip(labels, ranked[:, 0], strict=True):
            confusion[label, prediction] += 1
        self.assertAllEqual(np.load(self.folder / "confusion.npy"), confusion)
        shares = {label: np.mean(ranked[labels == label, 0] == label) for label in set(labels)}
        self.assertNotIn(7, shares)
        self.assertAllClose(metrics["mean_class_accuracy"], np.mean([*shares.values()]))
        for label, name in enumerate(CLASSES):
            expected = {"videos": np.count_nonzero(labels == label), "accuracy": shares.get(label)}
            precision = metrics["per_class"][name].pop("average_precision")
            self.assertEqual(metrics["per_class"][name], expected)
            if label in shares:
                self.assertAllClose(precision, average_precision_score(labels == label, scores[:, label]))
            else:
                self.assertIsNone(precision)

        rows = _videos(self.folder)
        self.assertEqual([row["video_id"] for row in rows], [*label_of_video])
        self.assertEqual([row["label"] for row in rows], [CLASSES[label] for label in labels])
        self.assertEqual([row["prediction"] for row in rows], [CLASSES[best] for best in ranked[:, 0]])
        own = scores[np.arange(12), labels]
        self.assertAllClose([float(row["score_of_label"]) for row in rows], own, atol=2e-5)

    def test_the_mean_average_precision_can_be_computed_from_the_scores_and_the_videos(self):
        metrics = evaluate_model(self.random_dir, self.web_dir, self.folder, num_views=2)
        scores, rows = np.load(self.folder / "scores.npy"), _videos(self.folder)
        self.assertEqual((scores.shape, scores.dtype), ((12, 8), np.float32))
        labels = np.array([CLASSES.index(row["label"]) for row in rows])
        self.assertEqual([CLASSES[best] for best in scores.argmax(axis=1)], [row["prediction"] for row in rows])
        precisions = [average_precision_score(labels == label, scores[:, label]) for label in sorted({*labels})]
        self.assertAllClose(metrics["mean_average_precision"], np.mean(precisions))

    def test_classes_without_videos_are_named(self):
        metrics = evaluate_model(self.random_dir, self.web_dir, self.folder)
        shown = {row["label"] for row in _videos(self.folder)}
        self.assertNotEmpty(shown)
        self.assertEqual(metrics["classes_without_videos"], [name for name in CLASSES if name not in shown])
        self.assertIn("white", metrics["classes_without_videos"])

    def test_the_background_class_counts_in_no_mean_average_precision(self):
        whole, without = (
            evaluate_model(self.random_dir, self.web_dir, self.folder, background=name) for name in (None, "green")
        )
        precisions = {name: row["average_precision"] for name, row in whole["per_class"].items()}
        known = {name: value for name, value in precisions.items() if value is not None}
        self.assertAllClose(whole["mean_average_precision"], np.mean([*known.values()]))
        del known["green"]
        self.assertAllClose(without["mean_average_precision"], np.mean([*known.values()]))
        self.assertNotAllClose(without["mean_average_precision"], whole["mean_average_precision"])
        with self.assertRaisesRegex(UserError, "background = 'Green' is no class"):
            evaluate_model(self.random_dir, self.web_dir, self.folder, background="Green")

    def test_views_may_be_longer_and_larger_than_the_training_clips(self):
        """Whole pictures of twice the frames: the plain loop over the records with that input."""
        clip_input = dataclasses.replace(CLIP_INPUT, num_frames=8, frame_stride=1, crop_size=32)
        metrics = evaluate_model(self.random_dir, self.web_dir, self.folder, num_frames=8, frame_stride=1, crop_size=32)
        records = self.records_by_hand(self.random_dir / "folded.keras", self.web_dir, clip_input)
        scores = _scores_of_videos(records)
        predicted = [row["prediction"] for row in _videos(self.folder)]
        self.assertEqual(predicted, [CLASSES[values.argmax()] for values in scores.values()])
        self.assertEqual((metrics["num_frames"], metrics["frame_stride"], metrics["crop_size"]), (8, 1, 32))

    def test_files_agree_with_each_other(self):
        metrics = evaluate_model(self.trained_dir, self.shards / "test", self.folder)
        rows = _videos(self.folder)
        confusion = np.load(self.folder / "confusion.npy")
        hits = [row["label"] == row["prediction"] for row in rows]
        self.assertLen(rows, 12)
        self.assertAllClose(metrics["top_1"], np.mean(hits))
        self.assertAllClose(np.trace(confusion) / confusion.sum(), np.mean(hits))
        self.assertEqual(confusion.sum(axis=1).tolist(), [4, 4, 4])
        self.assertEqual(metrics["top_5"], 1.0)  # Of three classes.
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            again = evaluate_model(self.trained_dir, self.shards / "test", self.folder)
        self.assertEqual(again, metrics)
        self.assertIn(f"{self.folder}: replaces the evaluation that lies there\n", told.getvalue())

    def test_two_replicas_and_training_s_summary_say_the_same(self):
        expected = evaluate_model(self.random_dir, self.web_dir, self.folder, batch_size=5)
        strategy = device_strategy("mirrored")
        with strategy.scope():
            trained = load_trained(self.random_dir)
        dataset = load_dataset(self.web_dir)
        options = {"batch_size": 5, "num_views": 1, "description": "score"}
        videos = average_videos(score_trained(trained, dataset, strategy, **options))
        found = evaluate_single_label(videos)
        self.assertEqual(found.metrics, {name: expected[name] for name in ("top_1", "top_5")})

    def test_softmax_scores_are_measured_by_average_precision_where_clips_may_have_several_labels(self):
        one = evaluate_model(self.trained_dir, self.shards / "test", self.folder / "one")
        shards = self.rewrite_shards(self.shards / "test", self.folder / "several", multi_label=True)
        several = evaluate_model(self.trained_dir, shards, self.folder / "e")
        self.assertNotIn("top_1", several)
        self.assertEqual(several["hit_at_1"], one["top_1"])
        self.assertEqual(several["mean_average_precision"], one["mean_average_precision"])
        scores = [np.load(self.folder / name / "scores.npy") for name in ("one", "e")]
        self.assertAllEqual(*scores)
        self.assertAllClose(scores[1].sum(axis=1), np.ones(len(scores[1])))

    def test_other_classes_are_refused(self):
        with self.assertRaisesRegex(UserError, r"class 3 is missing in .*teacher and 'cyan' in .*web"):
            evaluate_model(self.trained_dir, self.web_dir, self.folder / "e")
        shards = self.rewrite_shards(self.shards / "test", self.folder / "larger", short_side=48)
        with self.assertRaisesRegex(UserError, r"teacher was trained on clips of 32 pixels .*larger have 48 pixels"):
            evaluate_model(self.trained_dir, shards, self.folder / "e")

        def change_label(clips):
            clips[1].labels = [(clips[1].labels[0] + 1) % 8]
            return clips

        shards = self.rewrite_shards(self.web_dir, self.folder / "contradicting", change_label)
        with self.assertRaisesRegex(UserError, r"video web_\w+ has clips of classes \d and \d"):
            evaluate_model(self.random_dir, shards, self.folder / "e")
        self.assertFalse((self.folder / "e").exists())


class CommandTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, trained_dir, random_dir, web_dir):
        self.test_shards, self.trained_dir = color_shards / "test", trained_dir
        self.random_dir, self.web_dir = random_dir, web_dir

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _call(self, *arguments):
        """(exit code, standard output, standard error)."""
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            module = evaluate_command
            code = command.execute(module.main, module.FLAGS, module.__doc__, ["evaluate", *arguments])
        return code, stdout.getvalue(), stderr.getvalue()

    def test_success_prints_a_table_and_exits_with_0(self):
        model_dir = self.folder / "m"
        model_dir.mkdir()
        for name in ("folded.keras", "model.json"):
            shutil.copy(self.trained_dir / name, model_dir)
        code, printed, _ = self._call(
            f"--model_dir={model_dir}", f"--shards={self.test_shards}", "--gin_param=evaluate_model.num_views = 2"
        )
        self.assertEqual(code, 0)
        metrics = json.loads((model_dir / "evaluate-test" / "metrics.json").read_text())
        *classes, total, where = printed.splitlines()
        percents = {
            name: [f"{100 * row[key]:.1f}" for key in ("accuracy", "average_precision")]
            for name, row in metrics["per_class"].items()
        }
        self.assertEqual(
            [line.split() for line in classes],
            [
                [name, "4", "videos", percents[name][0], "%", "AP", percents[name][1], "%"]
                for name in ("red", "green", "blue")
            ],
        )
        self.assertStartsWith(total, f"12 videos (12 clips x 2 views): top-1 {100 * metrics['top_1']:.2f} %, top-5 100")
        self.assertRegex(total, r"mAP [\d.]+ %$")
        self.assertEqual(where, f"written to {model_dir / 'evaluate-test'}")

    def test_classes_without_videos_are_told_beside_the_mean_over_the_others(self):
        options = [f"--model_dir={self.random_dir}", f"--shards={self.web_dir}", f"--output_dir={self.folder}"]
        for background, more in (("None", 0), ("'white'", -1)):
            code, printed, _ = self._call(*options, f"--gin_param=evaluate_model.background = {background}")
            self.assertEqual(code, 0)
            metrics = json.loads((self.folder / "metrics.json").read_text())
            missing = len(metrics["classes_without_videos"]) + more
            told = rf" \(without {missing} of 8 classes, which have no videos\)" if missing else ""
            self.assertRegex(printed.splitlines()[-2], rf"mAP [\d.]+ %{told}$")

    def test_a_wrong_folder_leaves_none_behind(self):
        (self.folder / "valid.csv").write_text("path,label\n")
        model_dir = shutil.copytree(self.trained_dir, self.folder / "m")
        before = sorted(self.folder.rglob("*"))
        for model, shards in ((model_dir, self.folder / "valid.csv"), (self.folder / "no", self.test_shards)):
            code, _, complaint = self._call(f"--model_dir={model}", f"--shards={shards}")
            self.assertEqual((code, complaint.count("\n")), (2, 1))
            self.assertEqual(sorted(self.folder.rglob("*")), before)

    @parameterized.parameters(
        (["--model_dir=nowhere"], "spl_tf: nowhere/model.json does not exist: name the --model_dir of a finished"),
        (["--shards=nowhere"], "spl_tf: nowhere/dataset.json does not exist: run spl_tf.shard"),
        (["--gin_param=evaluate_model.views = 3"], "did you mean 'num_views'"),
        (["--gin_param=evaluate_model.precision = 'int8'"], "spl_tf: precision 'int8' is none of auto"),
        (["--gin_param=evaluate_model.num_views = 0"], "spl_tf: num_views = 0: must be at least 1"),
        (
            ["--gin_param=evaluate_model.num_views = 'a'"],
            "gin binding evaluate_model.num_views = 'a': give a whole number",
        ),
        (["--gin_param=evaluate_model.batch_size = 0"], "spl_tf: batch_size = 0: must be at least 1"),
    )
    def test_mistakes_are_one_line_and_exit_with_2(self, arguments, message):
        folders = [f"--model_dir={self.trained_dir}", f"--shards={self.test_shards}", f"--output_dir={self.folder}"]
        code, _, complaint = self._call(*folders, *arguments)
        self.assertEqual(code, 2)
        self.assertIn(message, complaint)
        self.assertLen(complaint.splitlines(), 1)
