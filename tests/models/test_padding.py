import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.padding import SymmetricPadding


class SymmetricPaddingTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_puts_zeros_on_both_sides(self, policy):
        clips = np.arange(2 * 3 * 4 * 5 * 2).reshape(2, 3, 4, 5, 2).astype(np.float32)
        padded = SymmetricPadding((0, 1, 2), dtype=policy)(clips)
        self.assertAllEqual(tf.cast(padded, tf.float32), np.pad(clips, [(0, 0), (0, 0), (1, 1), (2, 2), (0, 0)]))

    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_puts_a_colour_on_both_sides(self, policy):
        clips = np.arange(2 * 3 * 4 * 5 * 2).reshape(2, 3, 4, 5, 2).astype(np.float32)
        padded = SymmetricPadding((1, 0, 2), (0.5, -2.0), dtype=policy)(clips)
        margins = [(0, 0), (1, 1), (0, 0), (2, 2)]
        expected = [np.pad(clips[..., i], margins, constant_values=value) for i, value in enumerate((0.5, -2.0))]
        self.assertAllEqual(tf.cast(padded, tf.float32), np.stack(expected, axis=-1))

    def test_output_shape_keeps_unknown_sizes(self):
        shape = SymmetricPadding((2, 3, 3)).compute_output_shape((None, 4, None, 8, 3))
        self.assertEqual(shape, (None, 8, None, 14, 3))

    def test_config_round_trip(self):
        for layer in (SymmetricPadding((2, 3, 3), name="pad"), SymmetricPadding((0, 1, 1), [0.5, 1.0], name="pad")):
            again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
            self.assertEqual(again.get_config(), layer.get_config())
            self.assertEqual((again.margins, again.values), (layer.margins, layer.values))


if __name__ == "__main__":
    tf.test.main()
