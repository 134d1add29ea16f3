import gin
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.preprocessing import normalize
from spl_tf.errors import UserError
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d
from tests.models.random_values import random_clips, randomize


def _tiny(depth: int = 10, **kwargs) -> keras.Model:
    return resnet3d(depth, width_multiplier=0.125, **kwargs)


def _copy_by_path(source: keras.Model, target: keras.Model) -> None:
    variables = {variable.path: variable for variable in source.weights}
    for variable in target.weights:
        variable.assign(variables[variable.path])


def _temporal_kernels(model: keras.Model, convolution: str) -> list[list[int]]:
    stages = [[], [], [], []]
    for layer in model.layers:
        if layer.name.endswith(convolution):
            stages[int(layer.name[3]) - 2].append(layer.kernel_size[0])
    return stages


class Resnet3dTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(("table", 34_666_448, 34_719_568), ("reference_code", 33_617_872, 33_670_992))
    def test_r3d_50_g_has_the_papers_number_of_parameters(self, res5_kernels, trainable, total):
        model = classifier(resnet3d(50, res5_kernels=res5_kernels), 400)
        self.assertEqual(sum(np.prod(variable.shape) for variable in model.trainable_weights), trainable)
        self.assertEqual(model.count_params(), total)

    @parameterized.parameters(
        ({}, [3, 1, 3]), ({"res5_kernels": "reference_code"}, [1, 3, 1]), ({"gating": "none"}, [3, 1, 3])
    )
    def test_temporal_kernels_of_table_7(self, options, res5):
        kernels = _temporal_kernels(_tiny(50, **options), "_conv1")
        self.assertEqual(kernels, [[3, 3, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], res5])

    @parameterized.parameters(("3x3", "conv2"), ("1x1", "conv1"))
    def test_bottleneck_blocks_halve_the_size_where_stride_in_says(self, stride_in, halving):
        model = _tiny(50, stride_in=stride_in)
        strided = [layer.name for layer in model.layers if getattr(layer, "strides", None) == (1, 2, 2)]
        blocks = [f"res{stage}_block1_{name}" for stage in (3, 4, 5) for name in (halving, "shortcut")]
        self.assertCountEqual(strided, ["stem_conv", "stem_pool", *blocks])
        self.assertEqual(model.compute_output_shape((1, 5, 65, 96, 3)), (1, 5, 3, 3, 256))

    @parameterized.parameters((1, 2, 2), (1, 1, 1))
    def test_border_colour_stands_around_the_clip(self, *strides):
        """As if the clip were a part of a larger one that shows this colour."""
        color, border = (120.0, 10.0, 250.0), (5, 8, 8)
        options = {"stem_strides": strides, "stem_kernel": (3, 7, 7)}
        model, plain = _tiny(border_color=color, **options), _tiny(**options)
        _copy_by_path(model, plain)
        clips = np.random.default_rng(0).integers(0, 256, (1, 4, 16, 16, 3))
        larger = np.stack(
            [
                np.pad(clips[..., i], [(0, 0), *((n, n) for n in border)], constant_values=value)
                for i, value in enumerate(color)
            ],
            axis=-1,
        )
        outputs, expected = (
            keras.Model(network.input, network.get_layer("stem_conv").output)(normalize(pixels))
            for network, pixels in ((model, clips), (plain, larger))
        )
        stride = strides[1]
        inside = slice(8 // stride, -8 // stride)
        self.assertAllClose(outputs, expected[:, 5:-5, inside, inside], 1e-4, 1e-4)

    def test_temporal_kernels_can_be_given_per_block(self):
        given = [[1, 3], [1, 1], [5, 1], [3, 3]]
        model = _tiny(18, temporal_kernels=given)
        self.assertEqual(_temporal_kernels(model, "_conv1"), given)
        self.assertEqual(_temporal_kernels(model, "_conv2"), given)

    @parameterized.parameters((10, "same"), (18, "symmetric"), (34, "symmetric"), (50, "symmetric"), (101, "same"))
    def test_time_is_kept_and_space_shrinks_32_times_rounded_up(self, depth, padding):
        model = _tiny(depth, padding=padding)
        channels = 64 if depth < 50 else 256
        for clip, height, width in (((7, 33, 64), 2, 2), ((1, 32, 97), 1, 4), ((16, 224, 224), 7, 7)):
            self.assertEqual(model.compute_output_shape((2, *clip, 3)), (2, clip[0], height, width, channels))

    @parameterized.parameters("symmetric", "same")
    def test_one_model_runs_on_any_clip(self, padding):
        model = _tiny(padding=padding)
        forward = tf.function(model, input_signature=[tf.TensorSpec([None, None, None, None, 3])])
        for shape, expected in (((2, 3, 33, 20, 3), (2, 3, 2, 1, 64)), ((1, 1, 32, 32, 3), (1, 1, 1, 1, 64))):
            self.assertEqual(forward(random_clips(*shape)).shape, expected)

    def test_model_garden_form_quarters_time(self):
        model = _tiny(stem_strides=(2, 2, 2), pool_kernel=(3, 3, 3), pool_strides=(2, 2, 2), padding="same")
        self.assertEqual(model.compute_output_shape((1, 16, 64, 64, 3)), (1, 4, 2, 2, 64))

    @parameterized.parameters(
        (
            {},
            (8, 56, 56),
            (4, 28, 28),
        ),  # Released code of Wang et al., 8 frames; in Caffe2 without padding of the pool.
        ({"pad_pool": False}, (8, 55, 55), (4, 28, 28)),
        ({"stem_strides": (2, 2, 2), "pool_kernel": (2, 3, 3), "pool_strides": (2, 2, 2)}, (2, 56, 56), (1, 28, 28)),
    )
    def test_forms_of_the_non_local_paper(self, options, after_stem, in_res3):
        options = {"gating": "none", "pool2_kernel": (2, 1, 1), "non_local": [[], [1], [], []], **options}
        model = _tiny(**options)
        names = ("stem_pool", "res3_block1_non_local_add")
        inner = keras.Model(model.input, [model.get_layer(name).output for name in names])
        shapes = inner.compute_output_shape((1, 8, 224, 224, 3))
        self.assertEqual([shape[1:4] for shape in shapes], [after_stem, in_res3])
        self.assertEqual(model(random_clips(1, 1, 5, 7, 3)).shape, (1, 1, 1, 1, 64))

    @parameterized.parameters(("symmetric", 0), ("same", 1))
    def test_strided_windows_of_even_clips_are_centred_as_the_padding_says(self, padding, offset):
        model = _tiny(padding=padding)
        kernel = np.zeros((5, 7, 7, 3, 8), np.float32)
        kernel[2, 3, 3, 0] = 1.0  # The centre: each output is one input pixel.
        model.get_layer("stem_conv").set_weights([kernel])
        clips = random_clips(1, 4, 16, 16, 3)
        outputs = keras.Model(model.input, model.get_layer("stem_conv").output)(clips)
        self.assertAllClose(outputs[..., 0], clips[:, :, offset::2, offset::2, 0])

    @parameterized.product(gating=("stage", "block", "none"), gate_position=("post_stage", "residual_branch"))
    def test_gates_per_stage_or_per_block(self, gating, gate_position):
        model = _tiny(18, gating=gating, gate_position=gate_position)
        gates = [layer.name for layer in model.layers if layer.name.endswith("_gate")]
        numbers = {"stage": (2,), "block": (1, 2), "none": ()}[gating]
        self.assertEqual(gates, [f"res{stage}_block{number}_gate" for stage in range(2, 6) for number in numbers])

    @parameterized.parameters("post_stage", "residual_branch")
    def test_gate_scales_the_stage_or_the_residual_branch(self, gate_position):
        gated, plain = _tiny(18, gate_position=gate_position), _tiny(18, gating="none")
        randomize(gated)
        _copy_by_path(gated, plain)
        gate = gated.get_layer("res2_block2_gate")
        gate.kernel.assign(tf.zeros_like(gate.kernel))
        scale = tf.sigmoid(gate.bias)
        clips = random_clips(2, 3, 32, 32, 3)
        names = ("res2_block1_out", "res2_block2_conv2_bn", "res2_block2_out")
        shortcut, branch, out = keras.Model(plain.input, [plain.get_layer(name).output for name in names])(clips)
        expected = out * scale if gate_position == "post_stage" else tf.nn.relu(shortcut + branch * scale)
        # What the next stage sees:
        following = keras.Model(gated.input, gated.get_layer("res3_block1_shortcut").input)
        self.assertAllClose(following(clips), expected, 1e-4, 1e-4)

    @parameterized.parameters((18, "res2_block1_out", "res2_block2_out"), (50, "res3_block1_out", "res3_block4_out"))
    def test_new_residual_blocks_are_the_identity(self, depth, first, last):
        model = _tiny(depth)
        before, after = keras.Model(model.input, [model.get_layer(name).output for name in (first, last)])(
            random_clips(1, 2, 32, 32, 3)
        )
        self.assertAllEqual(before, after)

    def test_mixed_precision_trains_float32_weights(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = classifier(_tiny(), 4, dropout=0.0)
        self.assertEqual(model.get_layer("res5_block1_out").compute_dtype, "bfloat16")
        clips, labels = random_clips(4, 2, 32, 32, 3), tf.range(4)
        variables = [variable.value for variable in model.trainable_weights]

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                logits = model(clips, training=True)["logits"]
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(0.05 * gradient)
            return loss

        losses = [step().numpy() for _ in range(4)]
        self.assertAllClose(losses[0], np.log(4), atol=0.2)
        self.assertLess(losses[-1], losses[0] - 0.05)

    @parameterized.parameters(
        ({"depth": 51}, "resnet3d.depth = 51: choose one of 10, 18, 34, 50, 101"),
        ({"gating": "all"}, "resnet3d.gating = 'all'"),
        ({"gate_position": "front"}, "resnet3d.gate_position"),
        ({"padding": "valid"}, "resnet3d.padding"),
        ({"stride_in": "first"}, "resnet3d.stride_in = 'first': choose one of '3x3', '1x1'"),
        ({"depth": 18, "stride_in": "1x1"}, "resnet3d.stride_in = '1x1': choose one of '3x3'"),
        ({"border_color": (1, 2)}, "border_color = .* needs three numbers"),
        ({"border_color": "red"}, "border_color = .* needs three numbers"),
        ({"width_multiplier": -1}, "width_multiplier = -1: give a number above 0"),
        ({"stem_kernel": (4, 7, 7)}, r"resnet3d.stem_kernel = \(4, 7, 7\): even kernels have no middle"),
        ({"stem_kernel": 7}, "resnet3d.stem_kernel = 7: give three numbers above 0"),
        ({"stem_strides": (1, 2)}, "resnet3d.stem_strides"),
        ({"pool_kernel": (1, 0, 3)}, "resnet3d.pool_kernel"),
        ({"pool_strides": "122"}, "resnet3d.pool_strides"),
        ({"depth": 10, "width_multiplier": 0.1, "pool2_kernel": 2}, "resnet3d.pool2_kernel"),
        ({"res5_kernels": "313"}, "resnet3d.res5_kernels"),
        ({"depth": 18, "temporal_kernels": [[3], [3], [3], [3]]}, "resnet3d.temporal_kernels"),
        ({"depth": 10, "temporal_kernels": [[3], [2], [3], [3]]}, "resnet3d.temporal_kernels"),
        ({"depth": 10, "temporal_kernels": [3, 3, 3, 3]}, "resnet3d.temporal_kernels"),
    )
    def test_wrong_options_are_named(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            resnet3d(**options)

    def test_gin_sets_the_options(self):
        gin.parse_config("resnet3d.depth = 10\nresnet3d.width_multiplier = 0.25\nresnet3d.gating = 'none'")
        model = resnet3d()
        self.assertEqual(model.output_shape[-1], 128)
        self.assertNotIn("gate", "".join(layer.name for layer in model.layers))


if __name__ == "__main__":
    tf.test.main()
