import itertools
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
from spl_tf.models.r2plus1d import middle_channels, r2plus1d, r3d
from tests.models.random_values import random_clips, randomize

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
    def test_sizes_and_folded_form(self, builder, form, of_the_papers_clip):
        model, folded = builder(form=form, **TINY), builder(form=form, folded=True, **TINY)
        self.assertEqual(model.compute_output_shape((2, 16, 112, 112, 3)), (2, *of_the_papers_clip, 64))
        randomize(model)
        fold_into(model, folded)
        for shape in ((1, 1, 5, 7, 3), (1, 3, 33, 20, 3)):
            expected = model(random_clips(*shape))
            self.assertEqual(expected.shape, model.compute_output_shape(shape))
            self.assertAllClose(folded(random_clips(*shape)), expected, 0.0, 1e-5 * np.abs(expected).max())

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
    def test_every_trainable_variable_gets_a_gradient_in_bfloat16(self, builder):
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = classifier(builder(weight_decay=0.5, **TINY), 5, dropout=0.0)
        self.assertEqual({variable.dtype for variable in model.weights}, {"float32"})
        gammas = [variable for variable in model.weights if variable.name == "gamma"]
        self.assertTrue(all(np.all(gamma == 1) for gamma in gammas))
        variables = [variable.value for variable in model.trainable_weights]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(random_clips(2, 5, 36, 36, 3), training=True)["logits"] ** 2)
        for variable, gradient in zip(model.trainable_weights, tape.gradient(loss, variables), strict=True):
            self.assertGreater(tf.reduce_max(tf.abs(gradient)), 0.0, variable.path)
        kernels = sum(
            np.sum(np.square(v)) for v in model.trainable_weights if v.name == "kernel" and "logits" not in v.path
        )
        self.assertAllClose(tf.add_n(model.losses), 0.25 * kernels, 1e-4)

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


if __name__ == "__main__":
    tf.test.main()
