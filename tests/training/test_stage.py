"""Whole stages of training: what they leave, and what they refuse."""

import contextlib
import io
import os

import gin
import keras
import numpy as np
import pytest
from absl.testing import parameterized

from spl_tf import command, train
from spl_tf.errors import UserError
from spl_tf.models.transfer import load_backbone_weights
from spl_tf.training.outcome import read_metrics
from tests.training.stage_case import StageCase
from tests.written import stored_weights


class TrainStageTest(StageCase):
    @pytest.fixture(autouse=True)
    def _colour_stage(self, colour_stage):
        self.learned = colour_stage

    def test_a_finished_stage_learned_and_left_all_its_files(self):
        metrics = read_metrics(self.learned)
        self.assertEqual(metrics["steps"], 60)
        self.assertGreater(metrics["train"]["accuracy"], 0.8)
        for name in ("model.keras", "folded.keras", "backbone.weights.h5", "model.json", "metrics.json"):
            self.assertTrue((self.learned / name).is_file(), name)
        self.assertIn("teacher/train_stage", (self.learned / "operative_config.gin").read_text())
        self.assertNotEmpty(list((self.learned / "logs").glob("events.*")))
        network = keras.models.load_model(self.learned / "model.keras")
        folded = keras.models.load_model(self.learned / "folded.keras")
        clips = np.random.default_rng(0).normal(size=(2, 4, 28, 28, 3)).astype(np.float32)
        self.assertAllClose(network(clips)["logits"], folded(clips)["logits"], atol=0.1)  # bfloat16 in the folded one

    def test_a_finished_folder_is_not_trained_again_and_another_run_is_refused(self):
        first = read_metrics(self.copied())
        before = os.stat(self.folder / "m" / "folded.keras").st_mtime_ns
        self.assertEqual(self.train(), first)
        self.assertEqual(os.stat(self.folder / "m" / "folded.keras").st_mtime_ns, before)
        with self.assertRaisesRegex(UserError, "m holds another run: train_stage.epochs was 4 and is 5"):
            self.train(bindings=["train_stage.epochs = 5"])

    def test_two_replicas_train_to_the_weights_of_one(self):
        """Holds with dropout off and statistics over all replicas; float32."""
        exact = [
            "train_stage.precision = 'float32'",
            "classifier.dropout = 0.0",
            "network_style.synchronized_bn = True",
        ]
        for name in ("one_device", "mirrored"):
            self.train(name, bindings=[*exact, f"device_strategy.name = '{name}'", "train_stage.accumulation = 1"])
        one, two = (stored_weights(self.folder / name / "backbone.weights.h5") for name in ("one_device", "mirrored"))
        for name, values in one.items():
            self.assertAllClose(values, two[name], atol=2e-4, rtol=2e-3, msg=name)

    def test_equal_seeds_give_equal_weights_and_others_do_not(self):
        for name, seed in (("b", 0), ("c", 1)):
            self.train(name, seed=seed)
        folders = self.trained(), self.folder / "b", self.folder / "c"
        a, b, c = (stored_weights(folder / "backbone.weights.h5") for folder in folders)
        self.assertTrue(all(np.array_equal(a[key], b[key]) for key in a))
        self.assertFalse(all(np.array_equal(a[key], c[key]) for key in a))

    def test_the_best_weights_on_validation_are_selected(self):
        select = ["train_stage.select = 'best'", "train_stage.evaluate_epochs = 1", "train_stage.epochs = 6"]
        metrics = self.train(bindings=select, validation_shards=self.shards / "test")
        self.assertEqual([entry["step"] for entry in metrics["evaluations"]], [3, 6, 9, 12, 15, 18])
        best = max(metrics["evaluations"], key=lambda entry: entry["top_1"])
        self.assertEqual(metrics["selected_step"], best["step"])
        (weights,) = self.folder.glob("m/checkpoints/best-*.weights.h5")
        content = weights.read_bytes()
        damaged = bytearray(content)
        damaged[len(damaged) // 2] ^= 1
        (self.folder / "m" / "finished.json").unlink()
        for changed, name in ((damaged, weights.name), (None, weights.name), (content, "evaluations.json")):
            weights.unlink() if changed is None else weights.write_bytes(changed)
            if name == "evaluations.json":
                path = weights.with_name(name)
                path.write_text(path.read_text().replace('"step": 3', '"step": 2'))
            message = f"{name} is (missing or )?damaged.*: copy it again, or move .*m away"
            with self.assertRaisesRegex(UserError, message):
                self.train(bindings=select, validation_shards=self.shards / "test")

    def test_a_later_stage_starts_from_the_backbone_of_an_earlier_one(self):
        frozen = ["warmup_cosine.peak = 1e-12"]
        weights = self.trained() / "backbone.weights.h5"
        self.train("second", "finetune", frozen, init_weights=weights)
        kernels = {name: value for name, value in stored_weights(weights).items() if name.endswith("kernel")}
        second = stored_weights(self.folder / "second" / "backbone.weights.h5")
        self.assertNotEmpty(kernels)
        for name, kernel in kernels.items():
            self.assertAllClose(second[name], kernel, atol=1e-6)

    @parameterized.parameters("s3d", "r2plus1d")
    @pytest.mark.slow
    def test_other_networks_are_trained_saved_and_read(self, network):
        self._assert_trained_saved_and_read(network)

    def test_r3d_is_trained_saved_and_read(self):
        self._assert_trained_saved_and_read("r3d")

    def _assert_trained_saved_and_read(self, network):
        options = [f"train_stage.backbone = @{network}", f"{network}.width_multiplier = 0.125"]
        options += ["train_stage.epochs = 1", "train_stage.precision = 'float32'"]
        self.assertEqual(self.train("first", "pretrain", options)["steps"], 3)
        models = [keras.models.load_model(self.folder / "first" / f"{name}.keras") for name in ("model", "folded")]
        clips = np.random.default_rng(0).normal(size=(2, 4, 28, 28, 3)).astype(np.float32)
        trained, folded = (model(clips)["logits"].numpy() for model in models)
        self.assertAllClose(trained, folded, atol=0.05 * np.abs(trained).max())  # bfloat16 in the folded one
        trunk = gin.get_configurable(network)()
        load_backbone_weights(trunk, self.folder / "first" / "backbone.weights.h5")
        trained = {weight.path: weight for weight in models[0].weights}
        for weight in trunk.weights:
            self.assertAllEqual(weight, trained[weight.path], weight.path)

    def test_bfloat16_trains_and_keeps_float32_weights(self):
        options = ["train_stage.precision = 'bfloat16'", "train_stage.epochs = 5"]
        metrics = self.train(bindings=[*options, "train_stage.clip_norm = 5.0"])
        self.assertEqual(metrics["precision"], "mixed_bfloat16")
        self.assertLess(metrics["train"]["loss"], 1.0)
        weights = stored_weights(self.folder / "m" / "backbone.weights.h5")
        self.assertEqual({values.dtype for values in weights.values()}, {np.dtype(np.float32)})

    def test_averaged_weights_are_saved(self):
        """Over four steps the average moves at most 0.1 to 0.3 of the way, so it is far from the last weights."""
        self.train("averaged", bindings=["train_stage.average_decay = 0.9999", "train_stage.checkpoint_seconds = 0"])
        folders = self.trained(), self.folder / "averaged"
        plain, averaged = (stored_weights(folder / "backbone.weights.h5") for folder in folders)
        self.assertFalse(any(np.array_equal(plain[name], averaged[name]) for name in plain if name.endswith("gamma")))

    def test_precise_statistics_change_nothing_but_the_statistics(self):
        self.train("precise", bindings=["train_stage.precise_bn_batches = 3"])
        folders = self.trained(), self.folder / "precise"
        moving, precise = (stored_weights(folder / "backbone.weights.h5") for folder in folders)
        for name, values in moving.items():
            check = self.assertNotAllClose if "moving" in name else self.assertAllEqual
            check(values, precise[name], msg=name)

    @parameterized.parameters(
        (["train_stage.select = 'first'"], {}, "select 'first' is neither"),
        (["train_stage.select = 'best'"], {}, "needs train_stage.validation_shards"),
        (["train_stage.batch_size = 5", "train_stage.accumulation = 2"], {}, "does not divide by 1 replicas x 2"),
        (["train_stage.crop_size = 64"], {}, "crop_size = 64 is larger than the 32 pixels of the short side"),
        (["train_stage.batch_size = 0"], {}, "train_stage.batch_size = 0: give a number above 0"),
        (["train_stage.epochs = '4'"], {}, "train_stage.epochs = '4': give a number"),
        (["warmup_cosine.peak = 0"], {}, "warmup_cosine.peak = 0"),
        ([], {"profile_steps": (5, 5)}, r"train_stage.profile_steps = \(5, 5\): give two numbers of steps"),
        ([], {"profile_steps": (-1, 2)}, "the second one larger"),
        ([], {"profile_steps": 5}, "train_stage.profile_steps = 5: give two numbers"),
        ([], {"profile_steps": ("a", "b")}, "give two numbers of steps"),
        (["train_stage.profile_steps = (1, 2, 3)"], {}, "give two numbers of steps"),
        ([], {"profile_steps": "12"}, "give two numbers of steps"),
        ([], {"init_weights": "nowhere.h5"}, "nowhere.h5 does not exist"),
        ([], {"labels_dir": "nowhere"}, "summary.json does not exist: run spl_tf.label"),
    )
    def test_what_does_not_fit_is_refused_by_name(self, bindings, arguments, message):
        with self.assertRaisesRegex(UserError, message):
            self.train(bindings=bindings, **arguments)

    def test_steps_to_profile_are_checked_before_the_folder_is_this_run_s(self):
        with self.assertRaisesRegex(UserError, "profile_steps"):
            self.train(profile_steps=(7, 3))
        self.assertFalse((self.folder / "m").exists())

    @parameterized.parameters("", "5", "a:b", "5:", "-1:5")
    def test_a_profile_on_the_command_line_needs_a_first_and_a_last_step(self, text):
        (self.folder / "tiny.gin").write_text("\n".join(self.bindings))
        arguments = [f"--gin_file={self.folder / 'tiny.gin'}", f"--model_dir={self.folder / 'm'}"]
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            code = command.execute(train.main, train.FLAGS, "", ["train", *arguments, f"--profile_steps={text}"])
        self.assertEqual(code, 2)
        self.assertIn(f"--profile_steps={text}: give the first and the last step", told.getvalue())

    def test_steps_to_profile_that_never_come_are_told_of(self):
        bindings = ["train_stage.epochs = 1"]
        for at, profile_steps in ((0, (1000, 1010)), (3, (0, 2))):  # The run has three steps; at last it is finished.
            told = io.StringIO()
            with contextlib.redirect_stdout(told):
                self.train(bindings=bindings, profile_steps=profile_steps)
            first, last = profile_steps
            message = f"no profile is taken: at step {at} of 3, none of {first} to {last} is left to train\n"
            self.assertIn(message, told.getvalue())
