"""Fully convolutional scores against the classifier applied to each window by itself."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.inference.sliding import slide_over
from spl_tf.inference.trained_model import ClipInput, TrainedModel, with_precision
from spl_tf.models.classifier import backbone_of, classifier
from spl_tf.models.resnet3d import resnet3d


class SlideOverTest(parameterized.TestCase, tf.test.TestCase):
    def _trained(self, **head):
        keras.utils.set_random_seed(1)
        network = classifier(resnet3d(depth=10, width_multiplier=0.125, folded=True), 5, **head)
        network.set_weights(
            [weight + np.random.default_rng(0).normal(0, 0.1, weight.shape) for weight in network.get_weights()]
        )
        return TrainedModel(network, tuple("abcde"), ClipInput(4, 2, 64, 96, 25.0), "float32", "")

    def _clips(self, height, width, frames=4):
        return np.random.default_rng(2).normal(size=(2, frames, height, width, 3)).astype(np.float32)

    @parameterized.parameters({}, {"projection_units": 7})
    def test_one_window_gives_the_scores_of_the_network(self, **head):
        trained = self._trained(**head)
        clips = self._clips(64, 64)
        expected = trained.network(clips)
        found = slide_over(trained)(clips)
        self.assertAllClose(tf.nn.softmax(found["logits"]), tf.nn.softmax(expected["logits"]), atol=1e-5)
        self.assertAllClose(found["features"], expected["features"], atol=1e-5)

    @parameterized.parameters({}, {"projection_units": 7})
    def test_scores_of_all_windows_are_averaged(self, **head):
        """Maps of 3 x 4 positions: six windows of 2 x 2, each through a head written out with numpy."""
        trained = self._trained(**head)
        clips = self._clips(96, 128, frames=6)
        maps = backbone_of(trained.network)(clips).numpy()
        self.assertEqual(maps.shape[2:4], (3, 4))
        dense = [
            trained.network.get_layer(name).get_weights()
            for name in ("projection", "logits")
            if name == "logits" or head
        ]
        scores = []
        for y in range(2):
            for x in range(3):
                values = maps[:, :, y : y + 2, x : x + 2].mean(axis=(1, 2, 3))
                for kernel, bias in dense:
                    values = values @ kernel + bias
                powers = np.exp(values - values.max(axis=1, keepdims=True))
                scores.append(powers / powers.sum(axis=1, keepdims=True))
        found = tf.nn.softmax(slide_over(trained)(clips)["logits"])
        self.assertAllClose(found, np.mean(scores, axis=0), atol=1e-5)

    def test_works_in_mixed_precision(self):
        trained = self._trained()
        low = TrainedModel(
            with_precision(trained.network, "mixed_bfloat16"), trained.classes, trained.clip_input, "mixed_bfloat16", ""
        )
        clips = self._clips(96, 96)
        scores = [tf.nn.softmax(slide_over(one)(clips)["logits"]) for one in (trained, low)]
        self.assertAllClose(*scores, atol=0.05)
        self.assertDTypeEqual(scores[1], np.float32)


if __name__ == "__main__":
    tf.test.main()
