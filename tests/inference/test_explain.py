"""Grad-CAM against its closed form and on clips whose evidence has a known place."""

import pathlib

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import explain
from spl_tf.command import execute
from spl_tf.inference.explain import grad_cam
from spl_tf.inference.trained_model import load_trained


class ExplainTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir, color_shards):
        self.trained_dir, self.shards = trained_dir, color_shards

    def test_with_a_linear_head_the_map_is_the_heads_weights_over_the_feature_map(self):
        """d logit_c / d A_k is W[k, c] / positions everywhere, so the mean gradient needs no differentiation."""
        network = load_trained(self.trained_dir).network
        clips = np.random.default_rng(0).normal(size=(3, 4, 64, 48, 3)).astype(np.float32)
        classes = np.array([2, 0, 1])
        maps = grad_cam(network, tf.constant(clips), tf.constant(classes)).numpy()
        features = keras.Model(network.input, network.get_layer("pooling").input)(clips).numpy()
        kernel = network.get_layer("logits").kernel.numpy()
        self.assertEqual(maps.shape, features.shape[:-1])
        for clip, label, ours in zip(features, classes, maps, strict=True):
            expected = np.maximum(clip @ kernel[:, label], 0.0)
            self.assertAllClose(ours, expected / max(expected.max(), 1e-9), atol=1e-4)

    def test_the_map_lies_where_the_only_evidence_is(self):
        """A network that counts bright pixels of red must point at the red square."""
        inputs = keras.Input((None, None, None, 3))
        pooled = keras.layers.GlobalAveragePooling3D(name="pooling")(keras.layers.AveragePooling3D((1, 4, 4))(inputs))
        logits = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros", name="logits")
        network = keras.Model(inputs, {"logits": logits(pooled)})
        logits.kernel.assign([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        clips = np.zeros((1, 5, 32, 32, 3), np.float32)
        clips[0, 3, 8:12, 20:24, 0] = 1.0
        maps = grad_cam(network, tf.constant(clips), tf.constant([0])).numpy()[0]
        self.assertEqual(np.unravel_index(maps.argmax(), maps.shape), (3, 2, 5))
        self.assertEqual(maps.sum(), 1.0)
        self.assertAllEqual(grad_cam(network, tf.constant(clips), tf.constant([1])), np.zeros((1, 5, 8, 8)))

    def test_the_command_writes_a_picture_per_clip_with_the_frames_above(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        argv = ["explain", f"--model_dir={self.trained_dir}", f"--shards={self.shards / 'test'}"]
        argv += [f"--output_dir={folder}", "--num_clips=3"]
        self.assertEqual(execute(explain.main, explain.FLAGS, explain.__doc__, argv), 0)
        pictures = sorted(folder.glob("*--*.png"))
        self.assertLen(pictures, 3)
        self.assertEqual(cv2.imread(str(pictures[0])).shape, (2 * 28, 4 * 28, 3))
        argv[1] = f"--model_dir={folder}"
        self.assertEqual(execute(explain.main, explain.FLAGS, explain.__doc__, argv), 2)
