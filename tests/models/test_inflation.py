"""Inflated networks compute on a still clip what the network over images computes on its frame."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.preprocessing import normalize
from spl_tf.errors import UserError
from spl_tf.models.inflation import CAFFE_MEAN, from_applications, inflate, inflate_kernel, temporal_radius
from spl_tf.models.resnet3d import resnet3d
from tests.models.random_values import randomize

_TOLERANCE = 1e-5  # Of the largest value: float32 rounding through 53 convolutions, summed in another order.
_NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")
_ONE_FRAME = {"temporal_kernels": [[1], [1], [1], [1]], "stem_kernel": (1, 7, 7)}


def _by_layer(network: keras.Model) -> dict[str, np.ndarray]:
    return {f"{layer.name}/{variable.name}": variable.numpy() for layer in network.layers for variable in layer.weights}


def _layers(*block_counts: int) -> list[str]:
    """Names of keras.applications: conv1, then convN_blockM_K, K = 0 is the shortcut of the first blocks."""
    blocks = [(stage, block) for stage, count in enumerate(block_counts, 2) for block in range(1, count + 1)]
    return ["conv1"] + [
        f"conv{stage}_block{block}_{number}"
        for stage, block in blocks
        for number in range(4)
        if number > 0 or block == 1
    ]


def _picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _still(picture: np.ndarray, frames: int) -> tf.Tensor:
    return normalize(np.broadcast_to(picture, (1, frames, *picture.shape)))


def _difference(frames, expected) -> np.ndarray:
    """Largest difference of each frame of a feature map [1, T, H, W, C], over the largest value of `expected`."""
    return np.abs(np.asarray(frames) - np.asarray(expected)).max(axis=(0, 2, 3, 4)) / np.abs(expected).max()


def _prepared(picture: np.ndarray) -> np.ndarray:
    return keras.applications.resnet.preprocess_input(picture[np.newaxis].astype(np.float32))


class ApplicationsTest(parameterized.TestCase, tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keras.utils.set_random_seed(0)
        cls.images = keras.applications.ResNet50(weights=None, include_top=False)
        randomize(cls.images)
        cls.weights = from_applications(_by_layer(cls.images))
        cls.clips = resnet3d(50, gating="none", stride_in="1x1", border_color=CAFFE_MEAN)

    @parameterized.parameters((64, 64), (75, 50))
    def test_centred_kernels_give_the_image_networks_features_in_every_frame(self, height, width):
        inflate(self.clips, self.weights, "centred")
        picture = _picture(height, width)
        expected = self.images(_prepared(picture))[:, tf.newaxis]
        for frames in (1, 4):
            outputs = self.clips(_still(picture, frames))
            self.assertAllLess(_difference(outputs, expected), _TOLERANCE)

    @pytest.mark.slow
    def test_averaged_kernels_give_them_where_no_kernel_reaches_beyond_the_clip(self):
        inflate(self.clips, self.weights)
        picture = _picture(40, 64)
        differences = _difference(self.clips(_still(picture, 27)), self.images(_prepared(picture))[:, tf.newaxis])
        self.assertEqual(temporal_radius(self.clips), 12)
        self.assertAllLess(differences[12:-12], _TOLERANCE)
        self.assertAllGreater(differences[[0, 1, 2, 3, -4, -3, -2, -1]], 100 * _TOLERANCE)

    def test_without_the_border_colour_only_the_outermost_pixels_of_the_stem_differ(self):
        clips = resnet3d(10, gating="none")  # Its stem is that of depth 50.
        clips.get_layer("stem_conv").set_weights([inflate_kernel(self.weights["stem_conv/kernel"], 5, "centred")])
        clips.get_layer("stem_conv_bn").set_weights([self.weights[f"stem_conv_bn/{name}"] for name in _NORMALIZATION])
        picture = _picture(64, 64)
        outputs = keras.Model(clips.input, clips.get_layer("stem_relu").output)(_still(picture, 1))[0, 0]
        images = keras.Model(self.images.input, self.images.get_layer("conv1_relu").output)
        expected = images(_prepared(picture))[0]
        difference = np.abs(outputs - expected).max(axis=-1) / np.abs(expected).max()
        self.assertAllLess(difference[2:-1, 2:-1], _TOLERANCE)  # Seven pixels at stride 2 reach 3 beyond the picture.
        for border in (difference[:2], difference[-1:], difference[:, :2], difference[:, -1:]):
            self.assertAllGreater(border, 10 * _TOLERANCE)

    def test_resnet101_has_the_layers_of_depth_101_and_a_network_of_another_depth_is_refused(self):
        sizes = {"kernel": (1, 1, 3, 8)}
        source = {
            f"{layer}_{kind}/{variable}": np.ones(sizes.get(variable, 8))
            for layer in _layers(3, 4, 23, 3)
            for kind, variables in (("conv", ("kernel", "bias")), ("bn", _NORMALIZATION))
            for variable in variables
        }
        clips = resnet3d(101, width_multiplier=0.125, gating="none")
        self.assertCountEqual(from_applications(source), [variable.path for variable in clips.weights])
        with self.assertRaisesRegex(UserError, r"missing: res4_block7_conv1/kernel.*give resnet3d the depth"):
            inflate(clips, self.weights)

    @parameterized.parameters(
        ({"conv/bias": (7,)}, "kernel, bias and normalization of stem_conv have different channels"),
        ({"bn/moving_variance": (9,)}, "kernel, bias and normalization of stem_conv have different channels"),
        ({"conv/kernel": (7, 7, 1, 8)}, r"the kernel of conv1_conv is \(7, 7, 1, 8\)"),
        ({"conv/kernel": (8,)}, r"the kernel of conv1_conv is \(8,\)"),
    )
    def test_damaged_weights_are_refused(self, damage, message):
        shapes = {"conv/kernel": (7, 7, 3, 8), "conv/bias": (8,)}
        shapes |= {f"bn/{name}": (8,) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        with self.assertRaisesRegex(UserError, message):
            from_applications({f"conv1_{name}": np.ones(shape) for name, shape in (shapes | damage).items()})

    @parameterized.parameters(
        ("conv2_block1_preact_bn/gamma", "ResNet V2.*take ResNet50 or ResNet101"),
        ("res2a_branch2a/kernel", "no layer is named as in keras.applications"),
        ("conv2_block1_1_conv/kernel", "conv2_block1_1_conv/bias missing"),
    )
    def test_other_networks_are_refused(self, name, message):
        with self.assertRaisesRegex(UserError, message):
            from_applications({name: np.zeros((1, 1, 3, 8), np.float32)})


class InflateTest(parameterized.TestCase, tf.test.TestCase):
    def _tiny(self, **options) -> keras.Model:
        return resnet3d(10, width_multiplier=0.125, **options)

    @parameterized.parameters(3, 5)
    def test_kernels_sum_to_the_image_kernel(self, frames):
        kernel = np.random.default_rng(0).normal(size=(1, 3, 3, 4, 5))
        averaged, centred = (inflate_kernel(kernel, frames, kernels) for kernels in ("averaged", "centred"))
        for number in range(frames):
            self.assertAllClose(averaged[number], kernel[0] / frames)
            self.assertAllEqual(centred[number], kernel[0] if number == frames // 2 else np.zeros_like(kernel[0]))

    @parameterized.parameters("averaged", "centred")
    def test_a_network_of_ours_over_single_images_inflates(self, kernels):
        images, clips = self._tiny(**_ONE_FRAME, gating="none"), self._tiny(gating="none")
        randomize(images)
        kept = inflate(clips, {variable.path: variable.numpy() for variable in images.weights}, kernels)
        self.assertEmpty(kept)
        radius = temporal_radius(clips) if kernels == "averaged" else 0
        self.assertEqual(temporal_radius(clips), 2 + 4 * 2)
        picture, frames = _picture(32, 40), 2 * radius + 3
        differences = _difference(clips(_still(picture, frames)), images(_still(picture, 1)))
        self.assertAllLess(differences[radius : frames - radius], _TOLERANCE)
        if radius:
            self.assertAllGreater(differences[[0, -1]], 100 * _TOLERANCE)

    def test_gates_of_the_image_network_are_taken_over(self):
        images, clips = self._tiny(**_ONE_FRAME), self._tiny()
        randomize(images)
        inflate(clips, {variable.path: variable.numpy() for variable in images.weights}, "centred")
        picture = _picture(32, 40)
        differences = _difference(clips(_still(picture, 4)), images(_still(picture, 1)))
        self.assertAllLess(differences, _TOLERANCE)

    def test_gates_and_non_local_blocks_that_the_image_network_does_not_have_keep_their_start(self):
        images, clips = self._tiny(**_ONE_FRAME, gating="none"), self._tiny(non_local=[[], [1], [], []])
        before = {v.path: v.numpy() for v in clips.weights if "_gate/" in v.path or "_non_local" in v.path}
        self.assertIn("res3_block1_non_local_out_bn/gamma", before)
        kept = inflate(clips, {variable.path: variable.numpy() for variable in images.weights})
        self.assertCountEqual(kept, before)
        for variable in clips.weights:
            if variable.path in before:
                self.assertAllEqual(variable, before[variable.path])

    def test_what_does_not_fit_changes_nothing(self):
        images, clips = self._tiny(**_ONE_FRAME, gating="none"), self._tiny(gating="none")
        before = clips.get_weights()
        weights = {variable.path: variable.numpy() for variable in images.weights}
        weights["logits/bias"] = np.zeros(3)
        video = clips.get_layer("stem_conv").kernel.numpy()  # Has its frames already.
        weights["stem_conv/kernel"] = video
        with self.assertRaisesRegex(UserError, "1 unexpected: logits/bias; 1 other shape: stem_conv/kernel"):
            inflate(clips, weights)
        with self.assertRaisesRegex(UserError, "choose one of 'averaged', 'centred'"):
            inflate(clips, weights, "copied")
        for value, expected in zip(clips.get_weights(), before, strict=True):
            self.assertAllEqual(value, expected)


if __name__ == "__main__":
    tf.test.main()
