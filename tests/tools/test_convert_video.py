"""Converted networks compute what the originals do; the originals themselves: nox sessions torch and parity."""

import contextlib
import importlib.util
import io
import pathlib
import re
import unittest
from unittest import mock

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration
from spl_tf.data.input.preprocessing import normalize
from spl_tf.inference.trained_model import load_trained
from spl_tf.models.classifier import classifier
from spl_tf.models.transfer import load_backbone_weights
from tools.convert import video, weight_files
from tools.convert.sources import SOURCES

NUM_CLASSES = 5
TORCH = [name for name, source in SOURCES.items() if source.framework == "torch"]
GARDEN = "model_garden_resnet3d_50"
_TORCH_NORMALIZATION = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_GARDEN_PARTS = {
    "conv1": "_temporal_conv",
    "conv2": "_spatial_conv",
    "conv3": "_expand_conv",
    "shortcut": "_shortcut_conv",
}
_GARDEN_NORMALIZATIONS = {"conv1": "_norm1", "conv2": "_norm2", "conv3": "_norm3", "shortcut": "_norm0"}


def _torchvision_module(layer: str, factored: bool) -> str:
    """Module of torchvision.models.video for a layer of ours, as its source code names them."""
    if layer == "logits":
        return "fc"
    normalized, layer = layer.endswith("_bn"), layer.removesuffix("_bn")
    block = re.match(r"res(\d)_block(\d)_(\w+)", layer)
    if block is None:
        temporal = layer.endswith("_temporal")
        return f"stem.{3 * temporal + normalized}"
    stage, number, part = int(block[1]) - 1, int(block[2]) - 1, block[3]
    if part == "shortcut":
        return f"layer{stage}.{number}.downsample.{int(normalized)}"
    convolution, _, half = part.partition("_")
    if not factored:
        place = str(int(normalized))
    elif half == "spatial":
        place = f"0.{int(normalized)}"
    else:
        place = "1" if normalized else "0.3"
    return f"layer{stage}.{number}.{convolution}.{place}"


def _pytorchvideo_module(layer: str, blocks: tuple[int, ...]) -> str:
    if layer == "logits":
        return f"blocks.{blocks[-1]}.proj"
    kind, layer = ("norm", layer.removesuffix("_bn")) if layer.endswith("_bn") else ("conv", layer)
    if layer == "stem_conv":
        return f"blocks.0.{kind}"
    stage, number, part = re.match(r"res(\d)_block(\d)_(\w+)", layer).groups()
    module = f"blocks.{blocks[int(stage) - 2]}.res_blocks.{int(number) - 1}"
    return f"{module}.branch1_{kind}" if part == "shortcut" else f"{module}.branch2.{kind}_{'abc'[int(part[-1]) - 1]}"


def _torch_name(source: str, path: str) -> str:
    layer, variable = path.split("/")
    if source.startswith("torchvision"):
        module = _torchvision_module(layer, "r2plus1d" in source)
    else:
        module = _pytorchvideo_module(layer, (1, 2, 3, 4, 5) if "slow" in source else (1, 3, 4, 5, 6))
    return f"{module}.{_TORCH_NORMALIZATION.get(variable) or {'kernel': 'weight', 'bias': 'bias'}[variable]}"


class ConvertVideoTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "converted"
        self.classes = self.folder / "classes.txt"
        self.classes.write_text("".join(f"class {number}\n" for number in range(NUM_CLASSES)))

    def _original(self, name: str, *params: str) -> keras.Model:
        """The network with random weights, as it is before it knows of our range of input."""
        source = SOURCES[name]
        configuration.parse([], [*source.bindings, *params])
        network = classifier(gin.get_configurable(source.network)(), NUM_CLASSES, dropout=0.0)
        random = np.random.default_rng(0)
        for variable in network.weights:
            is_scale = variable.name in ("gamma", "moving_variance")
            low, high = (0.5, 1.5) if is_scale else (-0.3, 0.3)
            if variable.name != "kernel" or "gate" in variable.path:
                variable.assign(random.uniform(low, high, variable.shape))
        return network

    def _state_dict(self, name: str, network: keras.Model) -> dict[str, np.ndarray]:
        state = {}
        for variable in network.weights:
            values = keras.ops.convert_to_numpy(variable)
            if variable.name == "kernel":  # [T, H, W, Cin, Cout] -> [Cout, Cin, T, H, W]
                values = np.transpose(values, (4, 3, 0, 1, 2) if values.ndim == 5 else (1, 0))
            state[_torch_name(name, variable.path)] = values
        state["stem.1.num_batches_tracked"] = np.array(7)
        return state

    def _run(self, name: str, weights: pathlib.Path, *arguments: str) -> tuple[int, str]:
        printed = io.StringIO()
        argv = ["video", f"--network={name}", f"--weights={weights}", f"--output_dir={self.output}", *arguments]
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = command.execute(video.main, video.FLAGS, video.__doc__, argv)
        return code, printed.getvalue()

    def _convert(self, name: str, state: dict[str, np.ndarray], *arguments: str) -> tuple[int, str]:
        with mock.patch.object(weight_files, "read_state_dict", return_value=state):
            return self._run(name, self.folder / "weights.pth", *arguments)

    def _assert_same_logits(self, name: str, original: keras.Model) -> None:
        """On the same clip in 0..255, at odd and even sizes: padding "same" differs between the two."""
        source = SOURCES[name]
        for shape in ((1, 5, 33, 40, 3), (1, 4, 32, 31, 3)):
            clips = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
            theirs = original((clips - np.array(source.mean)) / np.array(source.deviation))["logits"]
            ours = load_trained(self.output).network(normalize(clips))["logits"]
            self.assertAllClose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())

    @parameterized.parameters(*TORCH)
    @pytest.mark.slow
    def test_a_network_of_pytorch_gives_the_same_logits(self, name):
        narrow = f"{SOURCES[name].network}.width_multiplier = 0.125"
        original = self._original(name, narrow)
        state = self._state_dict(name, original)
        code, printed = self._convert(name, state, f"--classes={self.classes}", f"--gin_param={narrow}")
        self.assertEqual(code, 0, printed)
        self._assert_same_logits(name, original)

        # What a training takes: the gin file describes the network the weights fit.
        configuration.parse([str(self.output / "network.gin")])
        backbone = gin.get_configurable(SOURCES[name].network)()
        load_backbone_weights(backbone, self.output / "backbone.weights.h5")

    @parameterized.parameters("none", "stage")
    def test_a_checkpoint_of_model_garden_gives_the_same_logits(self, gating):
        params = ("resnet3d.width_multiplier = 0.125", f"resnet3d.gating = {gating!r}")
        original = self._original(GARDEN, *params)
        prefix = self._write_garden_checkpoint(original)
        arguments = [f"--gin_param={param}" for param in params]
        code, printed = self._run(GARDEN, prefix, f"--classes={self.classes}", *arguments)
        self.assertEqual(code, 0, printed)
        self._assert_same_logits(GARDEN, original)

    def _write_garden_checkpoint(self, network: keras.Model) -> pathlib.Path:
        blocks = [(stage, number) for stage, count in enumerate((3, 4, 6, 3), 2) for number in range(1, count + 1)]
        parts: dict[str, dict] = {}
        for variable in network.weights:
            layer, name = variable.path.split("/")
            values = tf.Variable(keras.ops.convert_to_numpy(variable))
            if match := re.match(r"res(\d)_block(\d)_(\w+?)(_bn)?$", layer):
                place = f"layer_with_weights-{2 + blocks.index((int(match[1]), int(match[2])))}"
                if match[3] == "gate":
                    if name == "kernel":
                        values = tf.Variable(values[None, None, None])
                    inner = parts.setdefault(place, {}).setdefault("_self_gating", {}).setdefault("_transformer_w", {})
                else:
                    names = _GARDEN_NORMALIZATIONS if match[4] else _GARDEN_PARTS
                    inner = parts.setdefault(place, {}).setdefault(names[match[3]], {})
            elif layer == "logits":
                inner = parts.setdefault("head", {})
            else:
                inner = parts.setdefault(f"layer_with_weights-{int(layer.endswith('_bn'))}", {})
            inner[name] = values

        def tracked(content: dict) -> tf.train.Checkpoint:
            return tf.train.Checkpoint(
                **{key: tracked(value) if isinstance(value, dict) else value for key, value in content.items()}
            )

        head = tracked(parts.pop("head"))
        model = tf.train.Checkpoint(**{"layer_with_weights-0": tracked(parts), "layer_with_weights-1": head})
        checkpoint = tf.train.Checkpoint(model=model, global_step=tf.Variable(3.0))
        return pathlib.Path(checkpoint.write(str(self.folder / "ckpt")))

    def test_without_a_head_or_names_the_backbone_alone_is_written(self):
        name, narrow = "torchvision_r3d_18", "r3d.width_multiplier = 0.125"
        state = self._state_dict(name, self._original(name, narrow))
        state = {key: values for key, values in state.items() if not key.startswith("fc.")}
        code, printed = self._convert(name, state, f"--gin_param={narrow}")
        self.assertEqual(code, 0, printed)
        written = sorted(path.name for path in self.output.iterdir())
        self.assertEqual(written, ["backbone.weights.h5", "network.gin"])

    def test_a_mistake_is_one_line_and_exit_code_2(self):
        name, narrow = "torchvision_r3d_18", "r3d.width_multiplier = 0.125"
        state = self._state_dict(name, self._original(name, narrow))
        fewer = {key: values for key, values in state.items() if key != "layer2.0.conv1.0.weight"}
        code, printed = self._convert(name, fewer, f"--gin_param={narrow}")
        self.assertEqual(code, 2)
        self.assertRegex(printed, r"weights.pth: the weights do not fit .*1 missing.*res3_block1_conv1/kernel")
        for key, shape in (
            ("stem.0.weight", (8, 1, 3, 7, 7)),  # One channel instead of three.
            ("stem.1.running_mean", (7,)),
            ("layer1.0.conv1.0.weight", (8,)),
            ("fc.bias", ()),
        ):
            code, printed = self._convert(name, state | {key: np.zeros(shape)}, f"--gin_param={narrow}")
            self.assertEqual(code, 2)
            self.assertRegex(printed, r"weights.pth: the weights do not fit .*[1-9] of another shape")
        code, printed = self._convert("pytorchvideo_slow_r50", state)
        self.assertEqual(code, 2)
        self.assertRegex(printed, r"weights.pth: the weights do not fit .*unexpected: stem.0.*name the --network")
        self.classes.write_text("one\ntwo\n")
        code, printed = self._convert(name, state, f"--gin_param={narrow}", f"--classes={self.classes}")
        self.assertEqual(code, 2)
        self.assertRegex(printed, "classes.txt has 2 names, the head of .*weights.pth 5 classes")
        self.assertFalse(self.output.exists())
        for arguments, message in (
            (("r3d", self.folder / "x"), "--network=r3d: choose one of torchvision_r3d_18, "),
            ((name, self.folder / "x"), "x does not exist: --weights names a file that torch.save wrote"),
            ((GARDEN, self.folder / "x.index"), "x.index does not exist: --weights names a checkpoint without .index"),
            ((name, self.folder / "x", f"--classes={self.folder / 'none'}"), "none can't be read"),
        ):
            code, printed = self._run(*arguments)
            self.assertEqual(code, 2)
            self.assertIn(message, printed)
            self.assertLen(printed.splitlines(), 1)

    def test_a_file_of_pytorch_needs_pytorch(self):
        path = self.folder / "weights.pth"
        path.write_bytes(b"x")
        with mock.patch.dict("sys.modules", {"torch": None}):
            code, printed = self._run("torchvision_r3d_18", path)
        self.assertEqual(code, 2)
        self.assertIn("weights.pth is a file of PyTorch, which is not installed: pip install torch", printed)

    @parameterized.parameters("index", "data-00000-of-00001")
    def test_a_damaged_checkpoint_is_named(self, part):
        prefix = self.folder / "ckpt"
        tf.train.Checkpoint(x=tf.Variable(tf.ones([100]))).write(str(prefix))
        half = prefix.with_name(f"ckpt.{part}")
        half.write_bytes(half.read_bytes()[:20])
        code, printed = self._run(GARDEN, prefix)
        self.assertEqual(code, 2, printed)
        self.assertIn("ckpt is damaged (", printed)

    @unittest.skipUnless(importlib.util.find_spec("torch"), "needs PyTorch")
    def test_reads_what_torch_save_wrote(self):
        import torch

        path = self.folder / "weights.pth"
        torch.save({"epoch": 3, "model_state": {"module.x.weight": torch.arange(3)}}, path)
        self.assertAllEqual(weight_files.read_state_dict(path)["x.weight"], [0.0, 1.0, 2.0])
        for content, message in (
            (b"x" * 100, "is damaged, or more than weights"),
            (path.read_bytes()[:200], "is damaged"),
        ):
            path.write_bytes(content)
            code, printed = self._run("torchvision_r3d_18", path)
            self.assertEqual(code, 2)
            self.assertIn(message, printed)
            self.assertLen(printed.splitlines(), 1)


if __name__ == "__main__":
    tf.test.main()
