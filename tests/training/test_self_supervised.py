"""Stages without labels: what they leave, two replicas against one, and that an interruption changes nothing."""

import json
import pathlib

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration, evaluate, predict
from spl_tf.command import execute
from spl_tf.errors import UserError
from spl_tf.inference.probe import probe_backbone
from spl_tf.inference.trained_model import load_trained
from spl_tf.training.stage import train_stage
from tests.interrupted import stopped_at_checkpoint

SHORT = ("train_stage.epochs = 1", "train_stage.precision = 'float32'", "train_stage.frame_stride = 1")
EXACT = (*SHORT, "network_style.synchronized_bn = True", "network_style.weight_decay = 1e-3")
PCL = (*EXACT, "train_stage.objective = @pcl", "pcl.clip_stride = 6", "pcl.negatives = 5", "pcl.strong_color = False")
OBJECTIVES = {"pcl": PCL, "cvrl": (*EXACT, "train_stage.objective = @cvrl")}


def _train(folder, shards, bindings, **arguments):
    keras.utils.clear_session(free_memory=False)  # Layers are numbered by process.
    configuration.parse([], bindings)
    with gin.config_scope("selfsup"):
        return train_stage("selfsup", folder, train_shards=shards, **arguments)


@pytest.fixture(scope="module")
def trained(color_shards, tiny_bindings, tmp_path_factory) -> pathlib.Path:
    """Folders "pcl" and "cvrl" of finished stages of three steps on one device; not to be changed."""
    folder = tmp_path_factory.mktemp("self_supervised")
    for name, bindings in OBJECTIVES.items():
        _train(folder / name, color_shards / "target", [*tiny_bindings, *bindings])
    return folder


def _checkpoint(folder):
    """What was trained or kept, of the newest checkpoint."""
    path = tf.train.latest_checkpoint(str(folder / "checkpoints"))
    names = [
        name for name, _ in tf.train.list_variables(path) if name.startswith(("model/", "optimizer/", "objective/"))
    ]
    return {name: tf.train.load_variable(path, name) for name in names}


class SelfSupervisedTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tiny_bindings, trained, tmp_path):
        self.shards, self.bindings, self.trained, self.folder = color_shards, tiny_bindings, trained, tmp_path

    def _train(self, bindings, **arguments):
        return _train(self.folder / "m", self.shards / "target", [*self.bindings, *bindings], **arguments)

    @parameterized.parameters(("pcl", "pretext_accuracy"), ("cvrl", "contrast_accuracy"))
    def test_a_backbone_is_left_that_is_probed_but_gives_no_scores(self, name, measure):
        model = self.trained / name
        metrics = json.loads((model / "metrics.json").read_text())
        self.assertEqual((metrics["steps"], set(metrics["train"])), (3, {"loss", measure}))
        self.assertEqual(json.loads((model / "model.json").read_text())["classes"], [])
        network = load_trained(model, needs_scores=False).network
        self.assertEqual(list(network.output), ["features"])
        self.assertBetween(probe_backbone(model, self.shards / "target", self.shards / "test").knn, 0, 1)
        for command in (evaluate, predict):
            argv = ["", f"--model_dir={model}", f"--shards={self.shards / 'test'}", f"--output_dir={self.folder / 'o'}"]
            self.assertEqual(execute(command.main, command.FLAGS, "", argv), 2)
        with self.assertRaisesRegex(UserError, "trained without labels and gives no class scores: fine-tune it"):
            load_trained(model)

    @parameterized.parameters("pcl", "cvrl")
    def test_two_replicas_train_to_weights_and_banks_of_one(self, name):
        self._train([*OBJECTIVES[name], "device_strategy.name = 'mirrored'"])
        one, two = _checkpoint(self.trained / name), _checkpoint(self.folder / "m")
        self.assertEqual(one.keys(), two.keys())
        banks = [key for key in one if key.startswith("objective/bank")]
        self.assertLen(banks, 2 if name == "pcl" else 0)
        for key in banks:
            self.assertAllClose(np.linalg.norm(one[key], axis=1), np.ones(12), atol=1e-5)  # All 12 clips were seen.
        for key, values in one.items():
            if values.dtype == np.float32:
                self.assertAllClose(values, two[key], atol=1e-3, rtol=1e-2, msg=key)

    def test_a_stopped_run_goes_on_to_the_same_weights_and_banks(self):
        often = ["train_stage.checkpoint_seconds = 0", "train_stage.steps_per_loop = 1"]
        with stopped_at_checkpoint(2):
            self._train([*PCL, *often])
        self._train([*PCL, *often])
        whole, stopped = _checkpoint(self.trained / "pcl"), _checkpoint(self.folder / "m")
        self.assertEqual(whole.keys(), stopped.keys())
        for key, values in whole.items():
            self.assertAllEqual(values, stopped[key], key)

    @parameterized.parameters(
        (["train_stage.objective = @cvrl", "train_stage.accumulation = 2"], {}, "accumulation = 2: the objective comp"),
        (["train_stage.objective = @pcl"], {"validation_shards": "test"}, "validation_shards: .* without labels"),
        (["train_stage.objective = @pcl", "train_stage.num_frames = 6"], {}, "num_frames = 6: .* into 4 equal parts"),
        (["train_stage.objective = @pcl", "training_clips.class_aware = True"], {}, "class_aware needs labels"),
        (["train_stage.objective = @pcl", "train_stage.loss = @anchor_loss"], {}, "the objective pcl has no loss"),
    )
    def test_what_does_not_fit_is_refused(self, bindings, arguments, message):
        arguments = {key: self.shards / value for key, value in arguments.items()}
        with self.assertRaisesRegex(UserError, message):
            self._train([*SHORT, *bindings], **arguments)


if __name__ == "__main__":
    tf.test.main()
