import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.classifier import classifier
from spl_tf.models.folding import fold_into
from spl_tf.models.resnet3d import resnet3d
from tests.models.random_values import random_clips, randomize


def _tiny(depth: int = 10, **kwargs) -> keras.Model:
    return resnet3d(depth, width_multiplier=0.125, **kwargs)


class FoldingTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        (10, {}),
        (50, {"stride_in": "1x1", "border_color": (123.0, 117.0, 104.0)}),
        (18, {"gating": "block", "gate_position": "residual_branch", "padding": "same"}),
    )
    def test_folded_classifier_computes_the_same(self, depth, options):
        model = classifier(_tiny(depth, **options), 7, projection_units=12)
        folded = classifier(_tiny(depth, folded=True, **options), 7, projection_units=12)
        randomize(model)
        logits = model.get_layer("logits").kernel
        logits.assign(random_clips(*logits.shape))  # At the start they are near zero.
        fold_into(model, folded)
        clips = np.random.default_rng(1).normal(size=(2, 3, 33, 40, 3)).astype(np.float32)
        expected, outputs = model(clips), folded(clips)
        for name in ("features", "logits"):
            tolerance = 1e-5 * np.abs(expected[name]).max()
            self.assertAllClose(outputs[name], expected[name], 0.0, tolerance)
        self.assertFalse(any("_bn/" in variable.path for variable in folded.weights))

    def test_backbones_fold_too(self):
        model, folded = _tiny(), _tiny(folded=True)
        randomize(model)
        fold_into(model, folded)
        clips = np.random.default_rng(1).normal(size=(1, 2, 32, 32, 3)).astype(np.float32)
        self.assertAllClose(folded(clips), model(clips), 1e-4, 1e-5)

    def test_a_variable_without_source_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "no weights for res2_block1_gate/bias, res2_block1_gate/kernel"):
            fold_into(_tiny(gating="none"), _tiny(folded=True))

    def test_a_left_over_weight_is_an_error(self):
        model = classifier(_tiny(), 7, projection_units=64)
        with self.assertRaisesRegex(ValueError, "no place for projection/bias, projection/kernel"):
            fold_into(model, classifier(_tiny(folded=True), 7))

    def test_another_shape_is_an_error_and_changes_nothing(self):
        folded = classifier(_tiny(folded=True), 8)
        before = folded.get_weights()
        with self.assertRaisesRegex(ValueError, r"logits/kernel is \(64, 7\), in the folded form \(64, 8\)"):
            fold_into(classifier(_tiny(), 7), folded)
        self.assertAllEqual(folded.get_weights()[0], before[0])


if __name__ == "__main__":
    tf.test.main()
