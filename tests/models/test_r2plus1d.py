import itertools
from unittest import mock

import gin
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.preprocessing import normalize
from spl_tf.errors import UserError
from spl_tf.models.cost import num_parameters
from spl_tf.models.r2plus1d import middle_channels, r2plus1d, r3d

TINY = {"width_multiplier": 0.125}


def _middles(model: keras.Model) -> list[int]:
    return [layer.filters for layer in model.layers if layer.name.endswith("_spatial") and "conv" in layer.name]


class VideoResnetTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        (r3d, "hara", {400: 33_409_104, 101: 33_255_717, 51: 33_230_067}),
        (r3d, "torchvision", {400: 33_371_472, 101: 33_218_085}),
        (r2plus1d, "hara", {400: 33_421_164, 101: 33_267_777, 51: 33_242_127}),
        (r2plus1d, "torchvision", {400: 31_505_325, 101: 31_351_938}),
    )
    def test_number_of_parameters_of_the_originals(self, builder, form, expected):
        # Zeros are made faster than 33 million normal numbers.
        with mock.patch.object(keras.initializers.VarianceScaling, "__call__", keras.initializers.Zeros().__call__):
            backbone = num_parameters(builder(form=form))
        self.assertEqual({classes: backbone + 513 * classes for classes in expected}, expected)

    def test_channels_between_space_and_time(self):
        self.assertEqual(middle_channels(3, 64, (7, 7, 7)), 110)
        hara = [110, *[144] * 4, 230, *[288] * 3, 460, *[576] * 3, 921, *[1152] * 3]
        channels = [64, 64, 64, 64, 64, 128, 128, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512]
        middles = [middle_channels(*pair, (3, 3, 3)) for pair in itertools.pairwise(channels)]
        self.assertEqual(middles, hara[1:])

    @parameterized.parameters(
        (r3d, "hara", (1, 4, 4)),
        (r3d, "torchvision", (2, 7, 7)),
        (r2plus1d, "hara", (1, 4, 4)),
        (r2plus1d, "torchvision", (2, 7, 7)),
    )
    def test_sizes_of_the_papers_clip(self, builder, form, size):
        model = builder(form=form, **TINY)
        self.assertEqual(model.compute_output_shape((2, 16, 112, 112, 3)), (2, *size, 64))

    def test_depth_34_has_3_4_6_and_3_blocks(self):
        names = [layer.name for layer in r3d(34, **TINY).layers if layer.name.endswith("_add")]
        self.assertEqual([sum(name.startswith(f"res{stage}") for name in names) for stage in range(2, 6)], [3, 4, 6, 3])

    def test_strides_are_split_between_space_and_time(self):
        model = r2plus1d(**TINY)
        # An eighth of the width and of M, rounded down anew.
        self.assertEqual(_middles(model)[1:], [18] * 4 + [28] + [36] * 3 + [57] + [72] * 3 + [115] + [144] * 3)
        strides = {layer.name: layer.strides for layer in model.layers if isinstance(layer, keras.layers.Conv3D)}
        self.assertEqual(strides["stem_conv_spatial"], (1, 2, 2))
        self.assertEqual(strides["stem_conv_temporal"], (1, 1, 1))
        self.assertEqual(strides["res3_block1_conv1_spatial"], (1, 2, 2))
        self.assertEqual(strides["res3_block1_conv1_temporal"], (2, 1, 1))
        self.assertEqual(strides["res3_block1_shortcut"], (2, 2, 2))
        self.assertEqual(strides["res3_block1_conv2_temporal"], (1, 1, 1))

    @parameterized.parameters(r3d, r2plus1d)
    def test_all_scales_of_normalizations_start_at_one(self, builder):
        gammas = [variable for variable in builder(**TINY).weights if variable.name == "gamma"]
        self.assertTrue(all(np.all(gamma == 1) for gamma in gammas))

    @parameterized.parameters(
        (r3d, {"depth": 50}, "r3d.depth = 50: choose one of 18, 34"),
        (r2plus1d, {"form": "vmz"}, "r2plus1d.form = 'vmz': choose one of 'hara', 'torchvision'"),
    )
    def test_wrong_options_are_named(self, builder, options, message):
        with self.assertRaisesRegex(UserError, message):
            builder(**options)

    def test_gin_sets_the_options(self):
        gin.parse_config("r3d.form = 'torchvision'\nr3d.width_multiplier = 0.25")
        model = r3d()
        self.assertEqual(model.output_shape[-1], 128)
        self.assertNotIn("stem_pool", [layer.name for layer in model.layers])

    @parameterized.parameters(r3d, r2plus1d)
    def test_a_border_of_half_a_level_is_the_input_range_of_noisyactions2m(self, builder):
        """Its code feeds 2 x - 1, x from 0 to 255: all else equal, normalization takes scale and shift away again."""
        clips = np.random.default_rng(0).integers(0, 256, [2, 6, 20, 20, 3]).astype(np.float32)
        found = []
        for inputs, border in ((normalize(clips), (0.5, 0.5, 0.5)), (tf.constant(2 * clips - 1), None)):
            keras.utils.set_random_seed(3)
            network = builder(**TINY, border_color=border)
            stem = keras.Model(network.input, network.get_layer("stem_pool").output)
            with tf.GradientTape() as tape:
                outputs = stem(inputs, training=True)
                loss = tf.reduce_sum(outputs * np.random.default_rng(1).normal(size=outputs.shape).astype(np.float32))
            gradients = tape.gradient(loss, stem.trainable_variables)
            found.append([outputs, *gradients])
        self.assertAllEqual(*([tf.shape(each) for each in one] for one in found))
        for ours, theirs in zip(*found, strict=True):
            self.assertLess(np.linalg.norm(ours - theirs), 2e-3 * np.linalg.norm(theirs))


if __name__ == "__main__":
    tf.test.main()
