"""A finished stage's folder: its forms agree, and a folder that is not whole is refused."""

import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.inference.trained_model import ClipInput, load_trained, with_precision


class TrainedModelTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir):
        self.trained_dir = trained_dir

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

    @parameterized.parameters(("mixed_bfloat16", "bfloat16"), ("mixed_float16", "float16"))
    def test_low_precision_computes_convolutions_low_and_the_head_in_float32(self, policy, compute_dtype):
        network = load_trained(self.trained_dir, policy).network
        weighted = [layer for layer in network._flatten_layers(include_self=False) if layer._trainable_variables]
        convolutions = [layer for layer in weighted if any(len(weight.shape) == 5 for weight in layer.weights)]
        (head,) = [layer for layer in weighted if isinstance(layer, keras.layers.Dense) and layer.units == 3]
        self.assertNotEmpty(convolutions)
        self.assertEqual({layer.compute_dtype for layer in convolutions}, {compute_dtype})
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

    def test_what_is_missing_is_named_with_the_way_out(self):
        with self.assertRaisesRegex(UserError, r"nowhere/model.json does not exist: name the --model_dir"):
            load_trained("nowhere")
        folder = self._copy()
        (folder / "folded.keras").unlink()
        with self.assertRaisesRegex(UserError, r"m/folded.keras does not exist: name the --model_dir"):
            load_trained(folder)

    @parameterized.parameters(
        "{",  # No JSON.
        "{}",
        json.dumps({"format_version": 2, "network": "of a later package"}),
    )
    def test_a_damaged_or_newer_description_is_refused(self, description):
        folder = self._copy()
        (folder / "model.json").write_text(description)
        with self.assertRaisesRegex(UserError, "m/model.json"):
            load_trained(folder)
