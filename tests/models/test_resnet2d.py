import pathlib

import gin
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.preprocessing import normalize
from spl_tf.errors import UserError
from spl_tf.inference.grad_cam import with_map
from spl_tf.inference.trained_model import ClipInput, folded_for_storage, load_trained, save_trained
from spl_tf.models.classifier import classifier
from spl_tf.models.cost import gflops_per_clip, num_parameters
from spl_tf.models.inflation import CAFFE_MEAN, from_applications, inflate
from spl_tf.models.resnet2d import resnet2d
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.transfer import assign_weights
from tests.models.random_values import random_clips, randomize

_TOLERANCE = 1e-5  # Of the largest value: float32 rounding through 53 convolutions, summed in another order.


def _tiny(depth: int = 10, **options) -> keras.Model:
    return resnet2d(depth, width_multiplier=0.125, **options)


def _weights(network: keras.Model) -> dict[str, np.ndarray]:
    return {variable.path: variable.numpy() for variable in network.weights}


def _difference(outputs, expected) -> float:
    """Largest difference, over the largest value of `expected`."""
    return np.abs(np.asarray(outputs) - np.asarray(expected)).max() / np.abs(expected).max()


class ApplicationsTest(parameterized.TestCase, tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keras.utils.set_random_seed(0)
        cls.original = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg")
        randomize(cls.original)
        weights = {f"{layer.name}/{v.name}": v.numpy() for layer in cls.original.layers for v in layer.weights}
        cls.weights = from_applications(weights)

    def _features(self, pixels: np.ndarray, **options) -> tuple[np.ndarray, np.ndarray]:
        """Of our network and of the original, [B, 2048] each."""
        backbone = resnet2d(50, **options)
        inflate(backbone, self.weights)
        outputs = classifier(backbone, 14)(normalize(pixels[:, np.newaxis]))
        prepared = keras.applications.resnet.preprocess_input(pixels.astype(np.float32))
        return outputs["features"], self.original(prepared)

    @parameterized.parameters((64, 64), (75, 50))
    def test_form_v1_computes_the_features_of_keras_resnet50(self, height, width):
        pixels = np.random.default_rng(1).integers(0, 256, (2, height, width, 3)).astype(np.uint8)
        features, expected = self._features(pixels, form="v1", border_color=CAFFE_MEAN)
        self.assertEqual(features.shape, (2, 2048))
        self.assertLess(_difference(features, expected), _TOLERANCE)

    def test_form_v1_5_takes_the_same_weights_and_computes_something_else(self):
        pixels = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
        features, expected = self._features(pixels, border_color=CAFFE_MEAN)
        self.assertGreater(_difference(features, expected), 0.01)

    def test_with_the_originals_biases_it_has_as_many_weights(self):
        biases = sum(variable.shape[0] for variable in self.original.weights if variable.name == "bias")
        self.assertEqual(resnet2d(50, form="v1").count_params() + biases, self.original.count_params())
        self.assertEqual(self.original.count_params(), 23_587_712)

    def test_the_small_stem_refuses_them(self):
        with self.assertRaisesRegex(UserError, "1 other shape: stem_conv/kernel.*give resnet2d the depth, the width"):
            inflate(_tiny(50, stem="small"), _weights(_tiny(50)))


class Resnet2dTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        (18, 11_689_512 - 513_000, 1.814),
        (34, 21_797_672 - 513_000, 3.664),
        (50, 25_557_032 - 2_049_000, 4.089),
    )
    def test_parameters_and_multiply_adds_are_torchvisions_without_its_classifier(self, depth, parameters, gigamacs):
        """Its tables count the classifier's 1000 classes too; of the multiply-adds that is 0.002 at most."""
        network = resnet2d(depth)
        self.assertEqual(num_parameters(network), parameters)
        self.assertAllClose(gflops_per_clip(network, (1, 224, 224, 3)), gigamacs, atol=0.003)

    @parameterized.product(
        ({"stem": "imagenet", "side": 224, "sides": (112, 56, 56, 28, 14, 7)},
         {"stem": "imagenet", "side": 64, "sides": (32, 16, 16, 8, 4, 2)},
         {"stem": "small", "side": 96, "sides": (96, 96, 48, 24, 12)},
         {"stem": "small", "side": 32, "sides": (32, 32, 16, 8, 4)}),
        depth=(18, 50),
    )  # fmt: skip
    def test_sizes_of_the_maps(self, stem, side, sides, depth):
        network = _tiny(depth, stem=stem)
        last = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]
        names = ["stem_relu", *(["stem_pool"] if stem == "imagenet" else [])]
        names += [f"res{stage}_block{number}_out" for stage, number in enumerate(last, 2)]
        maps = keras.Model(network.input, [network.get_layer(name).output for name in names])
        found = maps.compute_output_shape((2, 1, side, side, 3))
        self.assertEqual([shape[1:4] for shape in found], [(1, size, size) for size in sides])
        channels = (8, 8, 16, 32, 64) if depth == 18 else (8, 32, 64, 128, 256)
        self.assertEqual([shape[4] for shape in found][-4:], list(channels[1:]))

    @parameterized.parameters((10, {}), (50, {"form": "v1", "stem": "small"}))
    def test_a_frame_knows_nothing_of_the_others(self, depth, options):
        network = _tiny(depth, **options)
        randomize(network)
        clips = random_clips(2, 3, 33, 40, 3)
        frames = network(clips.reshape(6, 1, 33, 40, 3))
        self.assertLess(_difference(network(clips), tf.reshape(frames, (2, 3, *frames.shape[2:]))), _TOLERANCE)

    @parameterized.parameters((18, "v1.5", "3x3"), (50, "v1.5", "3x3"), (50, "v1", "1x1"))
    def test_weights_go_over_from_a_resnet3d_of_one_frame_by_name(self, depth, form, stride_in):
        options = {"width_multiplier": 0.125, "stem_kernel": (1, 7, 7), "gating": "none", "stride_in": stride_in}
        counts = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]
        clips = resnet3d(depth, temporal_kernels=[(1,) * count for count in counts], **options)
        randomize(clips)
        images = _tiny(depth, form=form)
        self.assertLen(assign_weights(images, _weights(clips)).matched, len(clips.weights))
        pictures = random_clips(2, 1, 40, 33, 3)
        self.assertLess(_difference(images(pictures), clips(pictures)), _TOLERANCE)

    @parameterized.parameters(
        ("imagenet", {}),
        ("small", {"stem_kernel": (5, 3, 3), "stem_strides": (1, 1, 1), "pool_kernel": (1, 1, 1),
                   "pool_strides": (1, 1, 1)}),
    )  # fmt: skip
    def test_inflated_into_resnet3d_it_gives_its_features_in_every_equal_frame(self, stem, options):
        images, clips = _tiny(stem=stem), resnet3d(10, width_multiplier=0.125, gating="none", **options)
        randomize(images)
        self.assertEmpty(inflate(clips, _weights(images), "centred"))
        picture = random_clips(1, 1, 32, 40, 3)
        outputs, expected = clips(np.repeat(picture, 4, axis=1)), images(picture)
        self.assertEqual(outputs.shape[1], 4)
        for frame in range(4):
            self.assertLess(_difference(outputs[:, frame], expected[:, 0]), _TOLERANCE)

    def test_a_stored_network_loads_and_shows_its_maps(self):
        network = classifier(_tiny(stem="small"), 2)
        randomize(network)
        folded = folded_for_storage(network, lambda: classifier(_tiny(stem="small", folded=True), 2))
        folder = pathlib.Path(self.get_temp_dir())
        save_trained(folder, folded, ("shirt", "coat"), ClipInput(1, 1, 32, 36, 1.0))
        images = random_clips(2, 1, 32, 32, 3)
        expected = network(images)["logits"]
        self.assertLess(_difference(load_trained(folder).network(images)["logits"], expected), _TOLERANCE)
        bfloat16 = load_trained(folder, "mixed_bfloat16").network
        self.assertEqual(bfloat16.get_layer("res5_block1_out").compute_dtype, "bfloat16")
        self.assertAllClose(bfloat16(images)["logits"], expected, atol=0.03 * np.abs(expected).max())
        shapes = [output.shape[1:] for output in keras.tree.flatten(with_map(folded, "res3_block1_out").output)]
        self.assertIn((None, None, None, 16), shapes)

    @parameterized.parameters(
        ({"depth": 51}, "resnet2d.depth = 51: choose one of 10, 18, 34, 50, 101"),
        ({"form": "v2"}, "resnet2d.form = 'v2': choose one of 'v1.5', 'v1'"),
        ({"depth": 18, "form": "v1"}, "resnet2d.form = 'v1': choose one of 'v1.5'"),
        ({"stem": "cifar"}, "resnet2d.stem = 'cifar': choose one of 'imagenet', 'small'"),
        ({"padding": "valid"}, "resnet2d.padding = 'valid'"),
        ({"border_color": (1, 2)}, "border_color = .* needs three numbers"),
        ({"width_multiplier": 0}, "width_multiplier = 0: give a number above 0"),
    )
    def test_wrong_options_are_named(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            resnet2d(**options)

    def test_gin_sets_the_options(self):
        gin.parse_config("resnet2d.depth = 10\nresnet2d.width_multiplier = 0.25\nresnet2d.stem = 'small'")
        network = resnet2d()
        self.assertEqual(network.output_shape[-1], 128)
        self.assertNotIn("stem_pool", [layer.name for layer in network.layers])


if __name__ == "__main__":
    tf.test.main()
