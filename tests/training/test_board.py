"""What TensorBoard finds in a stage's logs, read as TensorBoard reads it."""

import dataclasses
import pathlib
from unittest import mock

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from spl_tf import configuration
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.preprocessing import normalize
from spl_tf.errors import Terminated, UserError
from spl_tf.labels import figures
from spl_tf.labels.label_folder import Summary
from spl_tf.training.board import Board, steps_shown
from spl_tf.training.hooks import LoopReport
from spl_tf.training.identity import StageInputs, hyper_parameters
from spl_tf.training.loop import LoopPlan
from spl_tf.training.objectives.single_label import single_label
from spl_tf.training.stage import train_stage

EVERYTHING = {"scalars": 0, "images": 0, "tensors": 0, "histograms": 0}


def _events(folder):
    found = EventAccumulator(str(folder), size_guidance=EVERYTHING)
    found.Reload()
    return found


def _text(events, tag):
    (event,) = events.Tensors(tag)
    return b"\n".join(event.tensor_proto.string_val).decode()


def _pictures(events, tag):
    """Step -> RGB pictures."""
    return {
        event.step: [tf.io.decode_png(content).numpy() for content in event.tensor_proto.string_val[2:]]
        for event in events.Tensors(tag)
    }


def _steps(events, tag):
    return [event.step for event in events.Tensors(tag)]


def _value(events, tag, step):
    (event,) = [event for event in events.Tensors(tag) if event.step == step]
    return float(tf.make_ndarray(event.tensor_proto))


def _status(folder):
    """Of the run in TensorBoard's table of hyper-parameters; None before it ended."""
    tag = "_hparams_/session_end_info"
    events = _events(folder)
    if tag not in events.Tags()["tensors"]:
        return None
    content = events.SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content).session_end_info.status


def _board(folder, show_at=()):
    return Board(folder, "teacher", ("a", "b"), single_label(), 4, show_at)


def _report(step, clips=None, labels=()):
    state = {"learning_rate": 0.1, "gradient_norm": 1.0, "weight_norm": 1.0}
    clips = np.zeros((1, 1, 2, 2, 3), np.float32) if clips is None else clips
    return LoopReport(step, 1, 0.5, {"loss": 1.0}, state, 0.1, clips, {"labels": np.array(labels, int)})


@pytest.mark.pictures
class BoardOfAStageTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tiny_bindings):
        self.shards, self.bindings = color_shards, tiny_bindings

    def test_a_stage_shows_numbers_pictures_texts_and_hyper_parameters(self):
        """Four epochs of three steps, with a validation after every second one and a profile of two steps."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        data_parameters = ("train_stage.data_parameters = @DataParameters", "DataParameters.mode = 'joint'")
        configuration.parse([], [*self.bindings, *data_parameters, "train_stage.evaluate_epochs = 2"])
        shards = {"train_shards": self.shards / "target", "validation_shards": self.shards / "test"}
        with gin.config_scope("teacher"):
            train_stage("teacher", folder, **shards, profile_steps=(4, 6))
        events = _events(folder / "logs")

        loops = _steps(events, "train/loss")
        self.assertEqual(loops[-1], 12)
        for name in ("accuracy", "learning_rate", "gradient_norm", "weight_norm"):
            self.assertEqual(_steps(events, f"train/{name}"), loops)
        self.assertEqual(_steps(events, "throughput/clips_per_second"), loops)
        network = keras.models.load_model(folder / "model.keras")
        squares = [np.sum(np.square(weight.numpy())) for weight in network.trainable_weights]
        self.assertAllClose(_value(events, "train/weight_norm", 12), np.sqrt(sum(squares)), 1e-4)

        inputs = _pictures(events, "input/clips")
        self.assertEqual(list(inputs), [1, 3, 6, 9, 12])  # The first step and every epoch's last.
        for strips in inputs.values():
            self.assertEqual([strip.shape for strip in strips], [(28, 4 * 28, 3)] * 4)
        self.assertRegex(
            events.Tensors("input/labels")[0].tensor_proto.string_val[0].decode(), "1. (red|green|blue)\n2. "
        )
        for kind in ("class", "instance"):
            self.assertEqual(_steps(events, f"data_parameters/{kind}"), sorted(inputs))

        self.assertEqual(_steps(events, "validation/top_1"), [6, 12])
        self.assertLen(_pictures(events, "validation/confusion")[12], 1)
        shares = [_value(events, f"validation_accuracy/{name}", 12) for name in ("red", "green", "blue")]
        self.assertAllClose(np.mean(shares), _value(events, "validation/top_1", 12))  # As many videos of each.

        self.assertLen(_pictures(events, "labels/long_tail")[0], 1)
        self.assertIn("res2_block1_conv1", _text(events, "network"))
        self.assertIn("train_stage.evaluate_epochs = 2", _text(events, "configuration"))
        plugin = plugin_data_pb2.HParamsPluginData.FromString
        started = plugin(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
        self.assertEqual(started.session_start_info.hparams["train_stage.batch_size"].number_value, 4)
        self.assertEqual(started.session_start_info.hparams["train_stage.backbone"].string_value, "@tiny_network")
        self.assertEqual(started.session_start_info.hparams["stage"].string_value, "teacher")
        self.assertEqual(_status(folder / "logs"), api_pb2.STATUS_SUCCESS)
        self.assertNotEmpty(list((folder / "logs").rglob("*.xplane.pb")))

    def test_a_run_that_broke_is_a_failure(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        with self.assertRaises(ValueError), _board(folder):
            raise ValueError("broke")
        self.assertEqual(_status(folder), api_pb2.STATUS_FAILURE)

    @parameterized.parameters(Terminated, KeyboardInterrupt, UserError, OSError)
    def test_a_run_that_was_stopped_and_went_on_is_a_success(self, stop):
        folder = pathlib.Path(self.create_tempdir().full_path)
        with self.assertRaises(stop), _board(folder) as board:
            board.after(_report(1))
            raise stop("stopped")
        self.assertIsNone(_status(folder))
        with _board(folder):
            pass
        self.assertEqual(_status(folder), api_pb2.STATUS_SUCCESS)

    def test_the_table_of_runs_tells_labels_and_initial_weights(self):
        shards, labels = self.shards / "web", pathlib.Path(self.create_tempdir().full_path)
        weights = labels / "seed0" / "spl_b" / "pretrain" / "backbone.weights.h5"
        teacher = StageInputs(load_dataset(shards), None, None, None, ("a", "b"))
        pretrain = dataclasses.replace(teacher, labels=Summary(labels / "summary.json", "spl_b", ("a", "b"), {}))
        finetune = dataclasses.replace(teacher, init_weights=weights)
        self.assertEqual(
            hyper_parameters("teacher", 3, teacher),
            {"stage": "teacher", "labels": "the shards' own", "starts_from": "random weights", "seed": 3},
        )
        self.assertEqual(hyper_parameters("pretrain", 0, pretrain)["labels"], "spl_b")
        self.assertEqual(
            hyper_parameters("finetune", 0, finetune)["starts_from"], "seed0/spl_b/pretrain/backbone.weights.h5"
        )

    def test_clips_are_shown_as_they_were(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        clips = np.random.default_rng(0).integers(0, 256, (2, 16, 6, 6, 3), np.uint8)
        with _board(folder, show_at={3}) as board:
            for step in (2, 3, 4):
                board.after(_report(step, clips=normalize(clips).numpy(), labels=[1, 0]))
        ((step, strips),) = _pictures(_events(folder), "input/clips").items()
        self.assertEqual(step, 3)
        shown = [0, 2, 4, 6, 9, 11, 13, 15]  # Of 16 frames, evenly.
        self.assertAllEqual(strips, [np.concatenate(list(clip[shown]), axis=1) for clip in clips])
        self.assertEqual(_text(_events(folder), "input/labels"), "1. b\n2. a")

    def test_the_views_of_a_clip_are_one_picture_as_its_labels_are_one_line(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        views = np.random.default_rng(0).integers(0, 256, (2 * 3, 4, 6, 6, 3), np.uint8)
        with _board(folder, show_at={1}) as board:
            board.after(_report(1, clips=normalize(views).numpy(), labels=[1, 0]))
        ((_, pictures),) = _pictures(_events(folder), "input/clips").items()
        rows = [np.concatenate(list(view), axis=1) for view in views]
        self.assertAllEqual(pictures, [np.concatenate(rows[:3]), np.concatenate(rows[3:])])
        self.assertEqual(_text(_events(folder), "input/labels"), "1. b\n2. a")

    def test_the_long_tail_is_of_the_clips_however_many_labels_they_have(self):
        inputs = keras.Input((2,))
        network = keras.Model(inputs, keras.layers.Dense(2)(inputs))
        folder = pathlib.Path(self.create_tempdir().full_path)
        drawn = mock.patch.object(figures, "long_tail_figure", wraps=figures.long_tail_figure)
        with drawn as draw, _board(folder) as board:
            board.describe(network, np.array([30, 1_500]), 1_510, ("a", "b"))
        self.assertEqual(draw.call_args.args[-1], "1,510 training clips")

    @parameterized.parameters(
        (4, 5.625, [1, 6, 11, 17, 22]),  # Not only after whole loops of twenty steps.
        (2.5, 100.0, [1, 100, 200]),
        (30, 5.625, [1, *(round(5.625 * epoch) for epoch in range(3, 31, 3))]),
        (100, 1000.0, [1, *range(10_000, 100_001, 10_000)]),
        (6, 0.4, [1, 2]),
        (0.5, 10.0, [1]),
    )
    def test_clips_are_shown_at_the_ends_of_at_most_ten_epochs(self, epochs, steps_per_epoch, expected):
        self.assertEqual(sorted(steps_shown(epochs, steps_per_epoch)), expected)

    def test_a_loop_ends_where_clips_are_shown_or_an_evaluation_is_due(self):
        plan = LoopPlan(34, 20, evaluate_every=8, checkpoint_seconds=300.0, averaged_steps=6)
        board = _board(pathlib.Path(self.create_tempdir().full_path), show_at={1, 6, 11, 34})
        ends, step = [], 0
        while step < plan.total_steps:
            step += board.limit(step, plan.next_loop(step, len(ends)))
            ends.append(step)
        self.assertEqual(ends, [1, 2, 6, 8, 11, 16, 24, 28, 32, 34])


if __name__ == "__main__":
    tf.test.main()
