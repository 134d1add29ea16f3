"""A network whose scores are NaN is told of, by the name of a clip, by every command that would use them."""

from unittest import mock

import cv2
import gin
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference import engine
from spl_tf.inference import scores as scores_module
from spl_tf.inference.chosen_clips import Choice
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.explanation import Target, explain_clips
from spl_tf.inference.features import clip_features
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.probe import probe_backbone
from spl_tf.inference.saved_model import export_model
from spl_tf.inference.scores import score_trained
from spl_tf.inference.shard_scores import score_shards
from spl_tf.inference.trained_model import ClipInput, load_trained, save_trained
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d
from spl_tf.training.stage import train_stage
from tests.conftest import COLORS

RED = np.full((1, 4, 28, 28, 3), (255, 0, 0), np.uint8)


class BrokenNetworkTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, broken_teacher, color_shards, tiny_bindings, records_by_hand, tmp_path):
        self.teacher, self.shards, self.folder = broken_teacher, color_shards, tmp_path
        self.bindings, self.records_by_hand = tiny_bindings, records_by_hand

    def _first_broken(self, shards):
        """Id and shard of the first clip without scores, by the plain loop."""
        trained = load_trained(self.teacher)
        with np.errstate(over="ignore", invalid="ignore"):
            records = self.records_by_hand(self.teacher / "folded.keras", shards, trained.clip_input)
        broken = [not np.isfinite(record[5]).all() for record in records]
        self.assertBetween(sum(broken), 1, len(broken) - 2)
        record = records[broken.index(True)]
        return record[2], load_dataset(shards).shards[record[0]].path

    @parameterized.parameters(3, 100)
    def test_all_clips_before_the_first_broken_one_are_scored_and_that_is_named(self, batch_size):
        clip_id, path = self._first_broken(self.shards / "web")
        scored = score_trained(
            load_trained(self.teacher),
            load_dataset(self.shards / "web"),
            device_strategy(),
            batch_size=batch_size,
            num_views=1,
            description="score",
        )
        found = []
        with self.assertRaises(UserError) as raised:
            found.extend(scored)
        self.assertStartsWith(str(raised.exception), f"the network's scores of clip {clip_id} ({path} record ")

    @parameterized.parameters("evaluate", "predict", "features", "scores", "probe")
    def test_every_use_of_scores_stops_at_the_clip(self, use):
        web = self.shards / "web"
        clip_id, _ = self._first_broken(web)
        output = self.folder / "output"
        uses = {
            "evaluate": lambda: evaluate_model(self.teacher, web, output),
            "predict": lambda: predict_clips(self.teacher, web, output, precision="float32"),
            "features": lambda: clip_features(self.teacher, web, output, precision="float32"),
            "scores": lambda: score_shards(self.teacher, web, precision="float32"),
            "probe": lambda: probe_backbone(self.teacher, web, web),
        }
        with self.assertRaisesRegex(UserError, f"the network's scores of clip {clip_id} .* are not finite, so nothing"):
            uses[use]()
        for name in ("metrics.json", "predictions.json"):
            self.assertFalse((output / name).exists())

    def test_features_of_an_older_version_with_broken_scores_are_refused(self):
        """They were written without a look."""
        clip_id, _ = self._first_broken(self.shards / "web")
        with mock.patch.object(scores_module, "_require_finite"), self.assertRaisesRegex(UserError, clip_id):
            clip_features(self.teacher, self.shards / "web", self.folder / "f", precision="float32")

    def test_an_explanation_stops_at_the_clip(self):
        network = classifier(resnet3d(depth=10, width_multiplier=0.125, folded=True), 3, seed=0)
        network.set_weights([*network.get_weights()[:-1], np.full(3, np.nan, np.float32)])
        save_trained(self.folder / "m", network, tuple(COLORS), ClipInput(4, 2, 28, short_side=32, fps=10.0))
        web = self.shards / "web"
        records = tf.data.TFRecordDataset(load_dataset(web).shards[0].path).as_numpy_iterator()
        clip_id = clip_from_bytes(next(records)).clip_id
        with self.assertRaisesRegex(UserError, f"the network's scores or map of clip {clip_id} in .* are not finite"):
            explain_clips(self.folder / "m", web, self.folder / "e", Choice(num_clips=2), Target())
        self.assertFalse((self.folder / "e" / "clips.csv").exists())

    def test_validation_stops_training_and_names_the_clip(self):
        configuration.parse([], self.bindings)
        shards = {"train_shards": self.shards / "target", "validation_shards": self.shards / "test"}
        with (
            gin.config_scope("teacher"),
            mock.patch.object(engine, "scores_of", lambda logits, target: logits * float("nan")),
            self.assertRaisesRegex(UserError, "the network's scores of clip test_.* are not finite"),
        ):
            train_stage("teacher", self.folder / "m", epochs=1, evaluate_epochs=1, **shards)
        self.assertFalse((self.folder / "m" / "finished.json").exists())

    def test_a_call_and_a_server_answer_with_the_fault(self):
        trained = load_trained(self.teacher)
        blue = RED[..., ::-1]
        self.assertAllClose(tf.reduce_sum(trained(blue)["scores"]), 1.0)
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "the network's scores are not finite"):
            trained(RED)
        version = export_model(self.teacher, self.folder / "served")
        serve = tf.saved_model.load(str(version)).signatures
        self.assertAllClose(serve["serving_default"](clips=tf.constant(blue))["scores"], trained(blue)["scores"])
        jpeg = [cv2.imencode(".jpg", np.full((32, 32, 3), color, np.uint8))[1].tobytes() for color in (0, (0, 0, 255))]
        requests = {
            "serving_default": {"clips": tf.constant(np.concatenate([blue, RED]))},
            "frames": {"frames": tf.constant([[jpeg[0]], [jpeg[1]]])},
        }
        for signature, request in requests.items():
            with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "the scores of clip.*1.*not finite"):
                serve[signature](**request)


if __name__ == "__main__":
    tf.test.main()
