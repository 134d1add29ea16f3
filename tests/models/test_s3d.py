import collections
from unittest import mock

import gin
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.models.classifier import classifier
from spl_tf.models.cost import num_parameters
from spl_tf.models.folding import fold_into
from spl_tf.models.s3d import TemporalIdentity, s3d
from tests.models.random_values import random_clips, randomize

TINY = {"width_multiplier": 0.0625}

# Inception v1 (Szegedy et al. 2015, table 1): 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTION = """
    64 96 128 16 32 32
    128 128 192 32 96 64
    192 96 208 16 48 64
    160 112 224 24 64 64
    128 128 256 24 64 64
    112 144 288 32 64 64
    256 160 320 32 128 128
    256 160 320 32 128 128
    384 192 384 48 128 128
"""


def _parameters_by_hand(gating: str, stem_frames: int, is_separable: bool = True) -> int:
    """Of the slim form: normalizations (two each), biases of temporal convolutions, gates without bias."""

    def convolution(inputs, outputs, size):
        return inputs * outputs * size + 2 * outputs

    def separable(inputs, outputs):
        if not is_separable:
            return convolution(inputs, outputs, 27)
        return convolution(inputs, outputs, 9) + 3 * outputs**2 + outputs

    total = convolution(3, 64, stem_frames * 49) + convolution(64, 64, 1) + separable(64, 192)
    gated, channels = [192], 192
    for line in INCEPTION.split("\n")[1:-1]:
        one, reduce3, three, reduce5, five, pool = map(int, line.split())
        total += sum(convolution(channels, outputs, 1) for outputs in (one, reduce3, reduce5, pool))
        total += separable(reduce3, three) + separable(reduce5, five)
        gated += [three, five] if gating == "temporal" else [one, three, five, pool]
        channels = one + three + five + pool
    return total + (0 if gating == "none" else sum(outputs**2 for outputs in gated))


def _zeros():
    """Makes weights faster than random numbers."""
    return mock.patch.object(keras.initializers.TruncatedNormal, "__call__", keras.initializers.Zeros().__call__)


def _randomize(model: keras.Model) -> None:
    randomize(model)
    random = np.random.default_rng(1)
    for variable in model.weights:
        if variable.name == "kernel":  # At the start they are near zero.
            variable.assign(random.normal(0.0, np.prod(variable.shape[:-1]) ** -0.5, variable.shape))


class S3dTest(parameterized.TestCase, tf.test.TestCase):
    def test_torchvisions_number_of_parameters(self):
        """docs.pytorch.org names 8320048 for 400 classes."""
        with _zeros():
            self.assertEqual(num_parameters(s3d(form="torchvision")) + 1025 * 400, 8_320_048)

    @parameterized.parameters(("branch", 7), ("temporal", None))
    def test_number_of_parameters_by_hand(self, gating, stem_frames):
        with _zeros():
            model = s3d(gating=gating, stem_frames=stem_frames)
        self.assertEqual(num_parameters(model), _parameters_by_hand(gating, stem_frames or 3))
        gates = [layer.name for layer in model.layers if layer.name.endswith("_gate")]
        self.assertLen(gates, {"branch": 37, "temporal": 19}[gating])
        if gating == "temporal":
            self.assertEqual(gates[:3], ["conv2c_gate", "mixed_3b_branch1_gate", "mixed_3b_branch2_gate"])

    def test_i3d_is_the_network_with_whole_convolutions(self):
        with _zeros():
            network = s3d(separable=False, stem_frames=7)
        self.assertEqual(num_parameters(network), _parameters_by_hand("none", 7, is_separable=False))
        sizes = [layer.kernel_size for layer in network.layers if isinstance(layer, keras.layers.Conv3D)]
        self.assertEqual(collections.Counter(sizes), {(7, 7, 7): 1, (3, 3, 3): 19, (1, 1, 1): 37})

    @parameterized.parameters(
        ({"gating": "branch"}, (1, 3, 70, 65, 3), (1, 3, 3)),
        ({"separable": False, "stem_frames": 7}, (1, 3, 70, 65, 3), (1, 3, 3)),
        ({"form": "torchvision"}, (1, 9, 64, 65, 3), (1, 2, 2)),
    )
    def test_sizes_and_folded_form(self, options, shape, size):
        model, folded = s3d(**options, **TINY), s3d(folded=True, **options, **TINY)
        self.assertEqual(model.compute_output_shape((2, 64, 224, 224, 3))[:-1], (2, 8, 7, 7))
        _randomize(model)
        fold_into(model, folded)
        for clip, expected_size in (((1, 1, 5, 7, 3), (1, 1, 1)), (shape, size)):
            expected = model(random_clips(*clip))
            self.assertEqual(expected.shape[1:4], expected_size)
            self.assertEqual(model.compute_output_shape(clip), expected.shape)
            self.assertAllClose(folded(random_clips(*clip)), expected, 0.0, 1e-5 * np.abs(expected).max())
        bn = model.get_layer("stem_bn" if "form" not in options else "stem_temporal_bn")
        self.assertEqual((bn.momentum, bn.epsilon), (0.999, 1e-3))

    def test_every_trainable_variable_gets_a_gradient_in_bfloat16(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = classifier(s3d(gating="branch", weight_decay=0.5, **TINY), 5, dropout=0.0)
        _randomize(model)
        self.assertEqual({variable.dtype for variable in model.weights}, {"float32"})
        self._check_order_of_branches(model)
        variables = [variable.value for variable in model.trainable_weights]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(random_clips(2, 9, 48, 48, 3), training=True)["logits"] ** 2)
        for variable, gradient in zip(model.trainable_weights, tape.gradient(loss, variables), strict=True):
            self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0, variable.path)
        kernels = [v for v in model.trainable_weights if v.name == "kernel" and "logits" not in v.path]
        decay = 0.25 * sum(np.sum(np.square(kernel)) for kernel in kernels)
        self.assertAllClose(tf.add_n(model.losses), decay, 1e-4)

    def _check_order_of_branches(self, model):
        """Side by side, each with its gate."""
        names = [f"mixed_3b_branch{number}" for number in range(4)]
        relus = [f"{names[0]}_relu", f"{names[1]}_temporal_relu", f"{names[2]}_temporal_relu", f"{names[3]}_relu"]
        inner = keras.Model(model.input, [model.get_layer(name).output for name in ["mixed_3b", *relus]])
        mixed, *branches = inner(random_clips(1, 4, 32, 32, 3))
        gated = [model.get_layer(f"{name}_gate")(x) for name, x in zip(names, branches, strict=True)]
        self.assertAllEqual(mixed, tf.concat(gated, axis=-1))

    def test_a_new_temporal_convolution_passes_its_input_on(self):
        kernel = TemporalIdentity()((3, 1, 1, 4, 4), dtype="float32")
        clips = random_clips(1, 5, 2, 2, 4)
        self.assertAllClose(tf.nn.conv3d(clips, kernel, [1] * 5, "SAME"), clips)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(TemporalIdentity()))
        self.assertIsInstance(again, TemporalIdentity)

    @parameterized.parameters(
        ({"gating": "stage"}, "s3d.gating = 'stage': choose one of 'none', 'branch', 'temporal'"),
        ({"form": "kinetics"}, "s3d.form = 'kinetics': choose one of 'slim', 'torchvision'"),
    )
    def test_wrong_options_are_named(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            s3d(**options)

    def test_gin_sets_the_options_and_the_config_is_kept(self):
        gin.parse_config("s3d.form = 'torchvision'\ns3d.width_multiplier = 0.0625")
        model = s3d()
        self.assertIn("stem_temporal_bn", [layer.name for layer in model.layers])
        self.assertEqual(keras.Model.from_config(model.get_config()).get_config(), model.get_config())


if __name__ == "__main__":
    tf.test.main()
