"""A finished stage's folder: its forms agree, and a folder that is not whole is refused."""

import dataclasses
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.inference.trained_model import ClipInput, load_trained, require_fitting_data, with_precision


class TrainedModelTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir, color_shards):
        self.trained_dir, self.web = trained_dir, color_shards / "web"

    def setUp(self):
        super().setUp()
        self.clips = np.random.default_rng(0).normal(size=(3, 4, 28, 28, 3)).astype(np.float32)

    def _copy(self):
        """A copy of the trained folder that a test may damage."""
        folder = pathlib.Path(self.create_tempdir().full_path) / "m"
        folder.mkdir()
        for name in ("folded.keras", "model.json"):
            shutil.copy(self.trained_dir / name, folder)
        return folder

    def test_description_is_what_the_network_was_trained_on(self):
        trained = load_trained(str(self.trained_dir))
        self.assertEqual(trained.classes, ("red", "green", "blue"))
        self.assertEqual(trained.clip_input, ClipInput(4, 2, 28, short_side=32, fps=10.0))
        self.assertEqual(trained.weights_hash, files.sha256(self.trained_dir / "folded.keras"))

    def test_float32_form_computes_what_the_trained_network_does(self):
        trained = load_trained(self.trained_dir, "float32")
        self.assertEqual({layer.dtype_policy.name for layer in trained.network.layers}, {"float32"})
        original = keras.models.load_model(self.trained_dir / "model.keras", compile=False)
        for name, values in original(self.clips).items():
            self.assertAllClose(trained.network(self.clips)[name], values, atol=1e-4)

    def test_bfloat16_agrees_with_float32_but_for_its_rounding(self):
        exact = load_trained(self.trained_dir, "float32").network(self.clips)["logits"].numpy()
        logits = load_trained(self.trained_dir, "mixed_bfloat16").network(self.clips)["logits"]
        self.assertDTypeEqual(logits, np.float32)
        self.assertAllClose(logits, exact, atol=0.05 * np.abs(exact).max())  # 8 bits of mantissa, a dozen layers.
        self.assertNotAllClose(logits, exact, atol=1e-6)

    def test_low_precision_computes_convolutions_and_pooling_low_and_the_head_in_float32(self):
        network = load_trained(self.trained_dir, "mixed_bfloat16").network
        weighted = [layer for layer in network._flatten_layers(include_self=False) if layer._trainable_variables]
        convolutions = [layer for layer in weighted if any(len(weight.shape) == 5 for weight in layer.weights)]
        (head,) = [layer for layer in weighted if isinstance(layer, keras.layers.Dense) and layer.units == 3]
        self.assertNotEmpty(convolutions)
        pools = [layer for layer in network.layers if isinstance(layer, keras.layers.MaxPooling3D)]
        self.assertEqual({layer.compute_dtype for layer in [*convolutions, *pools]}, {"bfloat16"})
        self.assertEqual(head.compute_dtype, "float32")
        self.assertEqual({weight.dtype for weight in network.weights}, {"float32"})

    def test_precision_can_be_changed_there_and_back(self):
        low = load_trained(self.trained_dir, "mixed_bfloat16").network
        exact = load_trained(self.trained_dir, "float32").network
        for one, other in zip(with_precision(low, "float32").get_weights(), exact.get_weights(), strict=True):
            self.assertAllEqual(one, other)
        self.assertAllClose(with_precision(low, "float32")(self.clips)["logits"], exact(self.clips)["logits"])

    def test_changed_weights_are_refused(self):
        folder = self._copy()
        content = bytearray((folder / "folded.keras").read_bytes())
        content[len(content) // 2] ^= 1
        (folder / "folded.keras").write_bytes(content)
        with self.assertRaisesRegex(UserError, r"m/folded.keras is not the file .*m/model.json describes"):
            load_trained(folder)

    def test_what_is_missing_is_named_with_the_remedy(self):
        with self.assertRaisesRegex(UserError, r"nowhere/model.json does not exist: name the --model_dir"):
            load_trained("nowhere")
        folder = self._copy()
        (folder / "folded.keras").unlink()
        with self.assertRaisesRegex(
            UserError, r"m/folded.keras does not exist: name the --model_dir .* of spl_tf.train"
        ):
            load_trained(folder)

    @parameterized.parameters(
        ("{", "is damaged"),
        ("{}", "is damaged or not ours .*format_version"),
        ("[]", "is damaged or not ours"),
        (json.dumps({"format_version": 1, "classes": ["a"]}), "is damaged or not ours .*clip_input"),
        (
            json.dumps({"format_version": 2, "network": "of a later package"}),
            "has format version 2, this",
        ),
    )
    def test_a_damaged_or_newer_description_is_refused(self, description, message):
        folder = self._copy()
        (folder / "model.json").write_text(description)
        with self.assertRaisesRegex(UserError, f"m/model.json {message}"):
            load_trained(folder)

    @parameterized.parameters(
        ({}, None),
        (
            {"short_side": 48},
            "clips of 32 pixels at 10 .* those of .*web have 48 pixels at 10: .*--short_side=32 --fps=10",
        ),
        ({"fps": 12.5}, "clips of 32 pixels at 10 .* those of .*web have 32 pixels at 12.5: run spl_tf.shard with"),
        ({"classes": ("red", "blue", "green")}, "class 1 is 'green' in m and 'blue' in .*web"),
    )
    def test_data_of_another_kind_than_trained_on_is_refused(self, changes, message):
        trained = load_trained(self.trained_dir)
        dataset = dataclasses.replace(load_dataset(self.web), **changes)
        if message is None:
            require_fitting_data(trained, "m", dataset)
        else:
            with self.assertRaisesRegex(UserError, message):
                require_fitting_data(trained, "m", dataset)
