"""The tool's files: read by names, inflated, and taken by `train_stage.init_weights` as they are."""

import pathlib
import subprocess
import sys
import unittest.mock
import zipfile

import gin
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration
from spl_tf.errors import UserError
from spl_tf.inference.trained_model import load_trained
from spl_tf.models.inflation import CAFFE_MEAN, from_applications, inflate_kernel
from spl_tf.models.resnet2d import resnet2d
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.transfer import load_backbone_weights, read_backbone_weights, save_backbone_weights
from spl_tf.training.stage import train_stage
from tests.commands import last_line, run_command
from tools.convert import inflate
from tools.convert.applications import read_weights

_NARROW = "resnet3d.width_multiplier = 0.125"
_OVER_IMAGES = "--gin_param=train_stage.backbone = @resnet2d"
_IMAGES = ("resnet3d.temporal_kernels = [[1], [1], [1], [1]]", "resnet3d.stem_kernel = (1, 7, 7)")


def _like_keras(path: str) -> tuple[str, str]:
    """Layer of keras.applications, and its variable, for a variable of ours."""
    layer, variable = path.split("/")
    kind = "bn" if layer.endswith("_bn") else "conv"
    if layer.startswith("stem"):
        return f"conv1_{kind}", variable
    stage, block, part = layer.removesuffix("_bn").split("_")
    number = 0 if part == "shortcut" else int(part[-1])
    return f"conv{stage[-1]}_{block}_{number}_{kind}", variable


def _random_image_weights() -> dict[str, np.ndarray]:
    """Of a ResNet50 of an eighth of the width, by the names of keras.applications."""
    random, weights = np.random.default_rng(0), {}
    for variable in resnet3d(50, width_multiplier=0.125, gating="none").weights:
        layer, name = _like_keras(variable.path)
        weights[f"{layer}/{name}"] = random.uniform(0.5, 1.5, variable.shape[-4:]).astype(np.float32)
        if name == "kernel":
            weights[f"{layer}/bias"] = random.normal(size=variable.shape[-1]).astype(np.float32)
    return weights


def _write_old(path: pathlib.Path, weights: dict[str, np.ndarray]) -> None:
    """The layout of the files at keras.applications' address: layer/layer/variable:0."""
    with h5py.File(path, "w") as opened:
        for name, values in weights.items():
            opened[f"{name.split('/')[0]}/{name}:0"] = values


class InflateCommandTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "inflated.weights.h5"

    def execute(self, weights, *arguments):
        """Runs the command in this process: exit code, stdout, last line of stderr."""
        code, out, err = run_command(inflate, f"--weights={weights}", f"--output={self.output}", *arguments)
        return code, out, last_line(err)

    def test_help_needs_no_tensorflow(self):
        code = "import sys; sys.argv = ['inflate', '--help']; import runpy\n"
        code += "try: runpy.run_module('tools.convert.inflate', run_name='__main__')\n"
        code += "finally: print('tensorflow' in sys.modules)"
        root = pathlib.Path(__file__).parents[2]
        text = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
        self.assertIn("--kernels=...", text)
        self.assertEqual(text.splitlines()[-1], "False")

    def test_writes_the_inflated_weights_and_the_gates_start(self):
        image_weights = _random_image_weights()
        _write_old(self.folder / "resnet50.h5", image_weights)
        options = [f"--gin_param={_NARROW}", "--gin_param=resnet3d.depth = 50", "--kernels=centred"]
        code, out, _ = self.execute(self.folder / "resnet50.h5", *options)
        self.assertEqual(code, 0)
        self.assertIn("starts anew (gates, non-local blocks): 8 variables", out)
        self.assertIn("not yet those of the 2-D network: it has gates and has stride_in = '3x3'", out)
        written, expected = read_backbone_weights(self.output), from_applications(image_weights)
        backbone = resnet3d(50, width_multiplier=0.125)
        self.assertCountEqual(written, [variable.path for variable in backbone.weights])
        for variable in backbone.weights:
            if variable.path in expected:
                values = expected[variable.path]
                if variable.name == "kernel":
                    values = inflate_kernel(values, variable.shape[0], "centred")
                self.assertAllClose(written[variable.path], values, 1e-6, 1e-6, variable.path)
            else:
                self.assertIn("_gate/", variable.path)
        self.assertAllEqual(written["res2_block3_gate/bias"], np.zeros(32))
        self.assertBetween(np.std(written["res2_block3_gate/kernel"]), 0.008, 0.01)

    @parameterized.parameters(
        ((), "averaged", "of equal frames all frames but 12 at either end give the 2-D network's features"),
        ((), "centred", "of equal frames all frames give the 2-D network's features"),
        (("resnet3d.pool2_kernel = (2, 1, 1)",), "averaged", "of equal frames all frames but some at either end give"),
        (("resnet3d.stride_in = '3x3'",), "centred", "not yet those of the 2-D network: it has stride_in = '3x3'"),
    )
    def test_says_where_the_features_are_those_of_the_2_d_network(self, bindings, kernels, message):
        _write_old(self.folder / "resnet50.h5", _random_image_weights())
        bindings = (_NARROW, "resnet3d.depth = 50", "resnet3d.gating = 'none'", "resnet3d.stride_in = '1x1'", *bindings)
        options = [f"--gin_param={binding}" for binding in bindings]
        code, out, _ = self.execute(self.folder / "resnet50.h5", f"--kernels={kernels}", *options)
        self.assertEqual(code, 0)
        self.assertIn(message, out)

    @parameterized.parameters(
        ("v1", "its features are those of the 2-D network"), ("v1.5", "not yet those of the 2-D network: it has form =")
    )
    def test_a_network_over_images_takes_the_weights_as_they_are(self, form, message):
        image_weights = _random_image_weights()
        _write_old(self.folder / "resnet50.h5", image_weights)
        options = ("width_multiplier = 0.125", f"form = '{form}'", f"border_color = {CAFFE_MEAN}")
        bindings = (f"--gin_param=resnet2d.{option}" for option in options)
        code, out, _ = self.execute(self.folder / "resnet50.h5", _OVER_IMAGES, *bindings)
        self.assertEqual(code, 0)
        self.assertIn(message, out)
        self.assertNotIn("over time", out)
        images, expected = resnet2d(), from_applications(image_weights)
        self.assertLen(load_backbone_weights(images, self.output).matched, len(expected))
        for variable in images.weights:
            self.assertAllClose(variable, expected[variable.path], 1e-6, 1e-6, variable.path)

    def test_weights_of_a_network_over_clips_are_refused(self):
        save_backbone_weights(resnet3d(10, width_multiplier=0.125), self.folder / "clips.h5")
        code, _, error = self.execute(
            self.folder / "clips.h5", f"--gin_param={_NARROW}", "--gin_param=resnet3d.depth=10", "--from=spl_tf"
        )
        self.assertEqual(code, 2)
        self.assertIn("9 other shape: stem_conv/kernel", error)

    @parameterized.parameters(
        ("nowhere.h5", [], "nowhere.h5 does not exist: --weights names a file that Keras wrote, or imagenet"),
        ("v2.h5", [], "v2.h5: these are weights of a ResNet V2"),
        ("few.h5", [], r"few.h5: the 2-D weights do not fit the network \(.*missing: res2_block1_conv1/kernel"),
        ("few.h5", ["--gin_param=resnet3d.depth = 18"], "set resnet3d.depth = 50 or 101"),
        ("few.h5", [_OVER_IMAGES, "--gin_param=resnet2d.depth = 10"], "set resnet2d.depth = 50 or 101"),
        (
            "few.h5",
            ["--gin_param=train_stage.backbone = @s3d"],
            "train_stage.backbone = @s3d: only networks of resnet3d and resnet2d",
        ),
        ("few.h5", ["--from=spl_tf"], "few.h5 has backbone format None, not 1"),
    )
    def test_what_does_not_fit_is_refused_in_one_line(self, name, arguments, message):
        for other, layers in (("v2", ["conv1_conv", "conv2_block1_preact_bn"]), ("few", ["conv1_conv"])):
            _write_old(self.folder / f"{other}.h5", {f"{layer}/kernel": np.zeros((7, 7, 3, 8)) for layer in layers})
        with h5py.File(self.folder / "few.h5", "a") as opened:
            opened["conv1_conv/conv1_conv/bias:0"] = np.zeros(8)
            for variable in ("gamma", "beta", "moving_mean", "moving_variance"):
                opened[f"conv1_bn/conv1_bn/{variable}:0"] = np.ones(8)
        narrow = [f"--gin_param={_NARROW}"]
        code, _, error = self.execute(self.folder / name, *narrow, *arguments)
        self.assertEqual(code, 2)
        self.assertRegex(error, message)
        self.assertFalse(self.output.exists())

    def test_weights_that_cannot_be_downloaded_are_asked_for_as_a_file(self):
        failure = Exception("URL fetch failure on https://host/resnet50.h5: None -- no route")
        with unittest.mock.patch.object(keras.applications, "ResNet50", side_effect=failure):
            code, _, error = self.execute("imagenet", f"--gin_param={_NARROW}")
        self.assertEqual(code, 2)
        self.assertRegex(error, "URL fetch failure on https://host.*download the file elsewhere and give it with --w")


class ReadWeightsTest(tf.test.TestCase):
    def test_every_format_of_keras_gives_the_same_variables(self):
        layers = [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 7, name="conv1_conv"),
            keras.layers.BatchNormalization(name="conv1_bn"),
            keras.layers.Conv2D(5, 1, name="conv2_block1_1_conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, name="predictions"),
        ]
        network = keras.Sequential(layers)
        network.compile("adam", "mse")
        network.fit(np.ones((2, 8, 8, 3)), np.ones((2, 2)), verbose=0)  # Its optimizer is in the files too.
        folder = pathlib.Path(self.get_temp_dir())
        network.save_weights(folder / "network.weights.h5")
        network.save(folder / "network.h5")
        network.save(folder / "network.keras")
        for name in ("network.weights.h5", "network.h5", "network.keras"):
            weights = read_weights(folder / name)
            for layer in network.layers:
                for variable in layer.weights:
                    self.assertAllEqual(weights[f"{layer.name}/{variable.name}"], variable, name)

    def test_files_without_names_and_damaged_ones_are_the_users_mistake(self):
        path = pathlib.Path(self.get_temp_dir()) / "weights.h5"
        path.write_text("no HDF5")
        with self.assertRaisesRegex(UserError, "weights.h5 is damaged or no file of Keras"):
            read_weights(path)
        with h5py.File(path, "w") as opened:
            opened["layers/conv2d/vars/0"] = np.zeros((7, 7, 3, 8))
        with self.assertRaisesRegex(UserError, "has no names of layers: save it again with model.save_weights"):
            read_weights(path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("pictures.txt", "none")
        with self.assertRaisesRegex(UserError, "weights.h5 is damaged or no file of Keras"):
            read_weights(path)

    def test_layers_inside_a_larger_model_and_numbered_names_are_found(self):
        inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 7, name="conv1_conv")], name="resnet")
        outer = keras.Sequential([keras.Input((8, 8, 3)), inner, keras.layers.Flatten(), keras.layers.Dense(2)])
        folder = pathlib.Path(self.get_temp_dir())
        outer.save_weights(folder / "outer.weights.h5")
        outer.save(folder / "outer.h5")
        with h5py.File(folder / "numbered.h5", "w") as opened:
            opened["conv1_conv/conv1_conv_2/kernel:0"] = inner.layers[0].kernel.numpy()
        for name in ("outer.weights.h5", "outer.h5", "numbered.h5"):
            weights = read_weights(folder / name)
            self.assertAllEqual(weights["conv1_conv/kernel"], inner.layers[0].kernel, name)


class WarmStartTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tiny_resnet_bindings):
        self.shards, self.bindings = color_shards, tiny_resnet_bindings

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _train(self, name, *bindings, **arguments):
        configuration.parse([], [*self.bindings, "train_stage.epochs = 0.3", *bindings])
        with gin.config_scope("teacher"):
            train_stage("teacher", self.folder / name, train_shards=self.shards / "target", **arguments)
        return read_backbone_weights(self.folder / name / "backbone.weights.h5")

    def _inflate(self, *bindings, kernels="averaged"):
        output = self.folder / "inflated.weights.h5"
        argv = ["inflate", "--from=spl_tf", f"--weights={self.folder / 'images' / 'backbone.weights.h5'}"]
        argv += [f"--output={output}", f"--kernels={kernels}", *(f"--gin_param={binding}" for binding in bindings)]
        self.assertEqual(command.execute(inflate.main, inflate.FLAGS, inflate.__doc__, argv), 0)
        return output

    def _start_without_gates(self):
        """A 2-D network and the file of its weights."""
        source = resnet3d(10, width_multiplier=0.125, temporal_kernels=[[1]] * 4, stem_kernel=(1, 7, 7), gating="none")
        save_backbone_weights(source, self.folder / "start.weights.h5")
        return source, self.folder / "start.weights.h5"

    def test_a_file_without_gates_needs_allow_unmatched_in_a_network_with_gates(self):
        _, start = self._start_without_gates()
        with self.assertRaisesRegex(UserError, "8 missing.*missing: res2_block1_gate/.*or allow unmatched variables"):
            self._train("refused", *_IMAGES, init_weights=start)

    @pytest.mark.slow
    def test_what_is_trained_on_single_frames_becomes_the_start_of_a_network_on_clips(self):
        """The 2-D stage itself starts from weights, so slowly that its kernels are still these."""
        source, start = self._start_without_gates()
        slow = ("train_stage.num_frames = 1", "warmup_cosine.peak = 1e-12")
        images = self._train("images", *_IMAGES, *slow, init_weights=start, allow_unmatched=True)
        for variable in source.weights:
            if variable.name == "kernel":
                self.assertAllClose(images[variable.path], variable, 1e-5, 1e-6)
        self.assertLen([path for path in images if "_gate/" in path], 8)
        inflated = self._inflate("resnet3d.depth = 10", _NARROW)
        clips = resnet3d()  # As the bindings say.
        self.assertLen(load_backbone_weights(clips, inflated).matched, len(clips.weights))
        for variable in clips.weights:
            values = images[variable.path]
            if len(variable.shape) == 5:
                values = inflate_kernel(values, variable.shape[0], "averaged")
            self.assertAllClose(variable, values, 1e-6, 1e-7, variable.path)
        self.assertEqual(clips.get_layer("res3_block1_conv1").kernel_size[0], 3)

    @pytest.mark.slow
    def test_a_resnet2d_trained_on_images_computes_the_same_on_clips_once_inflated(self):
        options = ("train_stage.backbone = @resnet2d", "resnet2d.depth = 10", "resnet2d.width_multiplier = 0.125")
        self._train("images", *options, "train_stage.num_frames = 1", "train_stage.precision = 'float32'")
        stored = load_trained(self.folder / "images")
        self.assertEqual(stored.clip_input.num_frames, 1)
        inflated = self._inflate("resnet3d.depth = 10", _NARROW, "resnet3d.gating = 'none'", kernels="centred")
        clips = resnet3d()  # As the bindings say.
        load_backbone_weights(clips, inflated)
        picture = np.random.default_rng(0).normal(size=(1, 1, 32, 32, 3)).astype(np.float32)
        maps, expected = clips(np.repeat(picture, 3, axis=1)), stored.network(picture)["features"]
        for frame in range(3):
            self.assertAllClose(tf.reduce_mean(maps[:, frame], (1, 2)), expected, atol=1e-5 * np.abs(expected).max())


if __name__ == "__main__":
    tf.test.main()
