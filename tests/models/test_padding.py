import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.padding import SamePadding, SymmetricPadding


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


class SamePaddingTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(
        size=((5, 6, 7), (8, 9, 10), (1, 2, 3)),
        kernel=((5, 7, 7), (3, 3, 2), (1, 1, 1)),
        strides=((1, 2, 2), (2, 2, 3)),
    )
    def test_a_convolution_without_padding_then_gives_that_of_tensorflows_same(self, size, kernel, strides):
        random = np.random.default_rng(0)
        clips = random.normal(size=(2, *size, 2)).astype(np.float32)
        weights = random.normal(size=(*kernel, 2, 3)).astype(np.float32)
        color = np.array([0.5, -2.0], np.float32)
        # What is a colour in the clips is zero in clips less the colour; the whole differs by a convolved constant.
        expected = tf.nn.conv3d(clips - color, weights, (1, *strides, 1), "SAME") + tf.einsum(
            "thwio,i->o", weights, color
        )
        layer = SamePadding(kernel, strides, color.tolist())

        def convolved(clips):
            return tf.nn.conv3d(layer(clips), weights, (1, *strides, 1), "VALID")

        unknown = tf.TensorSpec((None, None, None, None, 2))
        for got in (convolved(clips), tf.function(convolved, input_signature=[unknown])(clips)):
            self.assertAllClose(got, expected, atol=1e-4)
        self.assertEqual(layer.compute_output_shape(clips.shape), tuple(layer(clips).shape))
        self.assertEqual(layer.compute_output_shape((None, None, *size[1:], 2))[:2], (None, None))

    def test_config_round_trip(self):
        layer = SamePadding((5, 7, 7), (2, 2, 2), (0.5, 1.0, 2.0), name="pad")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        self.assertEqual(again.get_config(), layer.get_config())


if __name__ == "__main__":
    tf.test.main()
