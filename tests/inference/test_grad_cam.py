"""Grad-CAM against closed forms, interpolation against SciPy's, and whether a trained network points at the object."""

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.preprocessing import normalize
from spl_tf.errors import UserError
from spl_tf.inference.grad_cam import PREDICTED, grad_cam, upsample, with_map
from spl_tf.inference.trained_model import load_trained
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d

_SIDE, _FRAMES, _OBJECT, _CELL = 56, 4, 20, 14
_BACKGROUND = np.array([(0, 0, 0), (255, 255, 255), (0, 0, 255), (255, 255, 0)])
_OBJECTS = np.array([(255, 0, 0), (0, 255, 0)])


def _maps(network, clips, classes, layer=None, **options):
    maps, _ = grad_cam(with_map(network, layer), tf.constant(clips), tf.constant(classes, tf.int32), **options)
    return maps.numpy()


def _network_of_squares():
    """Logits are linear in the pooled squares of the layer "conv", so d s_c / d A = 2 A W_c / positions."""
    inputs = keras.Input((None, None, None, 3))
    features = keras.layers.Conv3D(5, 1, name="conv")(inputs)
    squares = keras.layers.Multiply(name="squares")([features, features])
    halved = keras.layers.AveragePooling3D((2, 1, 1), name="halved")(squares)
    pooled = keras.layers.GlobalAveragePooling3D(name="pooling")(halved)
    return keras.Model(inputs, {"logits": keras.layers.Dense(4, name="logits")(pooled)})


def _scene(rng, colour):
    """A clip uint8 [T, S, S, 3] of a still mosaic, before it a moving square of a colour or none; bool [T, S, S] of it.

    The square is never in the middle. The colours behind it are as bright and as large.
    """
    cells = _BACKGROUND[rng.integers(0, len(_BACKGROUND), (_SIDE // _CELL, _SIDE // _CELL))]
    clip = np.tile(cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1), (_FRAMES, 1, 1, 1)).astype(float)
    covered = np.zeros(clip.shape[:3], bool)
    while colour is not None and not covered.any():
        corners = rng.uniform(0, _SIDE - _OBJECT, 2) + np.outer(np.arange(_FRAMES), rng.uniform(-3, 3, 2))
        corners = np.rint(corners).astype(int)
        inside = (corners >= 0).all() and (corners <= _SIDE - _OBJECT).all()
        from_middle = np.hypot(*(corners + _OBJECT / 2 - _SIDE / 2).T).min()
        if inside and from_middle > 12:
            for frame, (y, x) in enumerate(corners):
                covered[frame, y : y + _OBJECT, x : x + _OBJECT] = True
    if colour is not None:
        clip[covered] = colour
    return np.clip(clip + rng.normal(0, 15, clip.shape), 0, 255).astype(np.uint8), covered


def _scenes(rng, labels):
    """Clips and covers of labels: 0 a red square, 1 a green one, 2 none."""
    clips, covers = zip(*(_scene(rng, _OBJECTS[label] if label < 2 else None) for label in labels), strict=True)
    return np.stack(clips), np.stack(covers)


def _share_on_object(network, clips, covers):
    """Of the clips: the peak of the predicted class's map lies on the object in the frame of the peak."""
    classes = tf.fill([len(clips)], PREDICTED)
    maps, logits = grad_cam(with_map(network), normalize(tf.constant(clips)), classes)
    upsampled = upsample(maps.numpy(), clips.shape[1:4])
    peaks = [np.unravel_index(own.argmax(), own.shape) for own in upsampled]
    return np.mean([cover[peak] for cover, peak in zip(covers, peaks, strict=True)]), logits.numpy().argmax(axis=-1)


class GradCamTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir):
        self.trained_dir = trained_dir

    def test_with_a_linear_head_the_map_is_the_heads_weights_over_the_feature_map(self):
        """d logit_c / d A_k is W[k, c] / positions everywhere, so the mean gradient needs no differentiation."""
        network = load_trained(self.trained_dir).network
        clips = np.random.default_rng(0).normal(size=(3, 4, 64, 48, 3)).astype(np.float32)
        classes = np.array([2, 0, 1])
        maps = _maps(network, clips, classes)
        features = keras.Model(network.input, network.get_layer("pooling").input)(clips).numpy()
        kernel = network.get_layer("logits").kernel.numpy()
        self.assertEqual(maps.shape, features.shape[:-1])
        for clip, label, ours in zip(features, classes, maps, strict=True):
            expected = np.maximum(clip @ kernel[:, label], 0.0)
            self.assertAllClose(ours, expected / max(expected.max(), 1e-9), atol=1e-4)
        # The mean weights are those of each frame here.
        self.assertAllClose(_maps(network, clips, classes, per_frame_weights=True), maps, atol=1e-5)

    def test_the_predicted_class_is_that_of_the_largest_logit_and_clips_do_not_mix(self):
        network = _network_of_squares()
        clips = np.random.default_rng(1).normal(size=(6, 4, 5, 6, 3)).astype(np.float32)
        predicted = network(clips)["logits"].numpy().argmax(axis=-1)
        maps, logits = grad_cam(with_map(network, "conv"), tf.constant(clips), tf.constant([PREDICTED] * 5 + [3]))
        self.assertAllClose(logits, network(clips)["logits"])
        for i, label in enumerate([*predicted[:5], 3]):
            self.assertAllClose(maps[i], _maps(network, clips[i : i + 1], [label], "conv")[0], atol=1e-5)

    @parameterized.parameters(False, True)
    def test_weights_are_mean_gradients_over_the_clip_or_each_frame(self, per_frame_weights):
        network = _network_of_squares()
        clips = np.random.default_rng(2).normal(size=(2, 4, 5, 6, 3)).astype(np.float32)
        maps = _maps(network, clips, [1, 3], "conv", per_frame_weights=per_frame_weights)
        conv, head = network.get_layer("conv"), network.get_layer("logits").kernel.numpy()
        for clip, label, ours in zip(clips, (1, 3), maps, strict=True):
            features = clip @ conv.kernel.numpy()[0, 0, 0] + conv.bias.numpy()
            gradients = 2 * features * head[:, label] / features[..., 0].size
            means = gradients.mean(axis=(1, 2) if per_frame_weights else (0, 1, 2), keepdims=True)
            expected = np.maximum((means * features).sum(axis=-1), 0)
            self.assertGreater(expected.max(), 0)
            self.assertAllClose(ours, expected / expected.max(), atol=1e-4)

    def test_a_layer_may_keep_another_number_of_frames(self):
        network = _network_of_squares()
        clips = np.random.default_rng(3).normal(size=(2, 6, 5, 6, 3)).astype(np.float32)
        halved = network.get_layer("halved")
        features = keras.Model(network.input, halved.output)(clips).numpy()
        maps = _maps(network, clips, [0, 2], "halved")
        self.assertEqual(maps.shape, (2, 3, 5, 6))
        kernel = network.get_layer("logits").kernel.numpy()
        for clip, label, ours in zip(features, (0, 2), maps, strict=True):
            expected = np.maximum(clip @ kernel[:, label], 0.0)
            self.assertAllClose(ours, expected / max(expected.max(), 1e-9), atol=1e-4)
        self.assertEqual(upsample(maps, (6, 5, 6)).shape, (2, 6, 5, 6))

    def test_the_map_lies_where_the_only_evidence_is(self):
        """A network that counts bright pixels of red must point at the red square."""
        inputs = keras.Input((None, None, None, 3))
        pooled = keras.layers.GlobalAveragePooling3D(name="pooling")(keras.layers.AveragePooling3D((1, 4, 4))(inputs))
        logits = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros", name="logits")
        network = keras.Model(inputs, {"logits": logits(pooled)})
        logits.kernel.assign([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        clips = np.zeros((1, 5, 32, 32, 3), np.float32)
        clips[0, 3, 8:12, 20:24, 0] = 1.0
        maps = _maps(network, clips, [0])[0]
        self.assertEqual(np.unravel_index(maps.argmax(), maps.shape), (3, 2, 5))
        self.assertEqual(maps.sum(), 1.0)
        self.assertAllEqual(_maps(network, clips, [1]), np.zeros((1, 5, 8, 8)))

    def test_a_layer_without_a_map_is_refused_with_the_nearest_names(self):
        network = load_trained(self.trained_dir).network
        with self.assertRaisesRegex(UserError, r"^the network has no .* 'res4_blok1_conv1': .*\bres4_block1_conv1\b"):
            with_map(network, "res4_blok1_conv1")
        with self.assertRaisesRegex(UserError, "no feature map of a layer 'logits'"):
            with_map(network, "logits")
        self.assertEqual(with_map(network, "stem_conv").output["map"].shape[-1], 8)

    @pytest.mark.slow
    def test_a_trained_network_points_at_the_moving_object_and_a_random_one_does_not(self):
        """The pointing game (Zhang et al. 2016) on 20 random clips; a third class, no object, was trained on too."""
        keras.utils.set_random_seed(0)
        rng = np.random.default_rng(0)
        backbone = resnet3d(
            10,
            width_multiplier=0.125,
            temporal_kernels=((1,), (1,), (1,), (1,)),
            stem_kernel=(3, 3, 3),
            stem_strides=(1, 1, 1),
            pool_strides=(1, 1, 1),
        )
        network = classifier(backbone, 3, dropout=0.0)
        labels = rng.integers(0, 2, 20)
        clips, covers = _scenes(rng, labels)
        area = covers.mean()
        self.assertLess(area, 0.13)

        random_shares, head = [], network.get_layer("logits")
        for _ in range(5):
            head.kernel.assign(rng.normal(0, 0.01, head.kernel.shape))
            random_shares.append(_share_on_object(network, clips, covers)[0])

        training_labels = rng.integers(0, 3, 480)
        learner = keras.Model(network.input, network.output["logits"])
        learner.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 60)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        training_clips = normalize(_scenes(rng, training_labels)[0]).numpy()
        learner.fit(training_clips, training_labels, batch_size=8, verbose=0)

        share, predicted = _share_on_object(network, clips, covers)
        self.assertGreaterEqual(np.mean(predicted == labels), 0.9)
        self.assertGreaterEqual(share, 0.8)
        self.assertLess(np.mean(random_shares), 0.4)


class UpsampleTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        ((4, 2, 3), (4, 9, 12)), ((2, 3, 4), (8, 3, 11)), ((1, 1, 1), (3, 4, 5)), ((3, 7, 5), (3, 7, 5))
    )
    def test_it_is_linear_between_the_centres_of_pixels_and_moments(self, source, size):
        maps = np.random.default_rng(0).random((2, *source)).astype(np.float32)
        upsampled = upsample(maps, size)
        self.assertEqual((upsampled.shape, upsampled.dtype), ((2, *size), np.float32))
        axes = [(np.arange(n) + 0.5) * m / n - 0.5 for m, n in zip(source, size, strict=True)]
        for ours, own in zip(upsampled, maps, strict=True):
            places = np.meshgrid(*axes, indexing="ij")
            self.assertAllClose(ours, scipy.ndimage.map_coordinates(own, places, order=1, mode="nearest"), atol=1e-6)

    def test_a_map_with_the_clips_frames_does_not_mix_them(self):
        maps = np.zeros((1, 4, 2, 2), np.float32)
        maps[0, 2] = 1.0
        self.assertAllEqual(upsample(maps, (4, 6, 6))[0].max(axis=(1, 2)), [0, 0, 1, 0])


if __name__ == "__main__":
    tf.test.main()
