import collections
from unittest import mock

import gin
import keras
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.models.cost import num_parameters
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
        ({"gating": "branch"}, (3, 70, 65), (1, 3, 3)),
        ({"separable": False, "stem_frames": 7}, (3, 70, 65), (1, 3, 3)),
        ({"form": "torchvision"}, (9, 64, 65), (1, 2, 2)),
    )
    def test_sizes(self, options, clip, size):
        model = s3d(**options, **TINY)
        self.assertEqual(model.compute_output_shape((2, 64, 224, 224, 3))[:-1], (2, 8, 7, 7))
        self.assertEqual(model.compute_output_shape((2, *clip, 3))[:-1], (2, *size))

    def test_branches_lie_side_by_side_each_with_its_gate(self):
        model = s3d(gating="branch", **TINY)
        randomize(model)
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

    @parameterized.parameters(
        ({"gating": "stage"}, "s3d.gating = 'stage': choose one of 'none', 'branch', 'temporal'"),
        ({"form": "kinetics"}, "s3d.form = 'kinetics': choose one of 'slim', 'torchvision'"),
    )
    def test_wrong_options_are_named(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            s3d(**options)

    def test_gin_sets_the_options(self):
        gin.parse_config("s3d.form = 'torchvision'\ns3d.width_multiplier = 0.0625")
        model = s3d()
        self.assertIn("stem_temporal_bn", [layer.name for layer in model.layers])


if __name__ == "__main__":
    tf.test.main()
