"""Filter gradients as products of matrices, against TensorFlow's own kernel in float64."""

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models import filter_gradient
from spl_tf.models.layers import ClipConv3D

# Frames, side, channels, filters, taps, strides, padding.
_CONVOLUTIONS = {
    "space_and_time": (5, 6, 4, 3, (3, 3, 3), (1, 1, 1), "same"),
    "fewer_frames_than_taps": (2, 3, 4, 3, (3, 3, 3), (1, 1, 1), "same"),
    "space": (3, 6, 4, 3, (1, 3, 3), (1, 1, 1), "same"),
    "every_second_pixel_of_an_odd_side": (3, 7, 4, 3, (1, 3, 3), (1, 2, 2), "valid"),
    "every_second_pixel_of_an_even_side": (3, 8, 4, 3, (1, 3, 3), (1, 2, 2), "valid"),
    "every_second_pixel_and_frame": (7, 7, 4, 3, (3, 3, 3), (2, 2, 2), "valid"),
    "shortcut": (3, 7, 4, 3, (1, 1, 1), (1, 2, 2), "valid"),
    "shortcut_of_every_second_frame": (6, 6, 4, 3, (1, 1, 1), (2, 2, 2), "valid"),
    "pointwise": (3, 3, 4, 3, (1, 1, 1), (1, 1, 1), "same"),
    "time": (5, 3, 4, 3, (3, 1, 1), (1, 1, 1), "same"),
    "time_by_twos": (7, 3, 4, 3, (3, 1, 1), (2, 1, 1), "valid"),
}


class FilterGradientTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.named_parameters(*((name, *sizes) for name, sizes in _CONVOLUTIONS.items()))
    def test_values_and_both_gradients_are_those_of_the_library(self, frames, side, channels, filters, *how):
        taps, strides, padding = how
        inputs = tf.random.stateless_normal([2, frames, side, side, channels], [1, 2], dtype=tf.float64)
        kernel = tf.random.stateless_normal([*taps, channels, filters], [3, 4], dtype=tf.float64)

        def by_library(inputs, kernel):
            return tf.nn.conv3d(inputs, kernel, [1, *strides, 1], padding.upper())

        def by_products(inputs, kernel):
            return filter_gradient.convolution(inputs, kernel, strides, padding)

        expected, found = (_value_and_gradients(call, inputs, kernel) for call in (by_library, by_products))
        for one, other in zip(expected, found, strict=True):
            self.assertAllClose(one, other, rtol=1e-12, atol=1e-12)

    def test_in_bfloat16_it_is_as_exact_as_the_number_format(self):
        inputs, outer = (tf.random.stateless_normal([2, 4, 4, 4, 8], [seed, 0]) for seed in range(2))
        rounded = [tf.cast(values, tf.bfloat16) for values in (inputs, outer)]
        exact, found = (
            filter_gradient.filter_gradient(*values, (3, 3, 3), (1, 1, 1), "same")
            for values in ([tf.cast(values, tf.float64) for values in rounded], rounded)
        )
        self.assertEqual(found.dtype, tf.bfloat16)
        self.assertAllClose(exact, tf.cast(found, tf.float64), rtol=0.01, atol=0.05)

    @parameterized.parameters(
        ((2, 4, 8, 8, 32), (1, 3, 3, 32, 32), (1, 1, 1), True),
        ((2, 4, 8, 8, 3), (1, 3, 3, 3, 32), (1, 2, 2), False),  # A stem.
        ((2, 4, 56, 56, 64), (3, 3, 3, 64, 64), (1, 1, 1), False),
        ((2, 4, 14, 14, 64), (3, 3, 3, 64, 64), (1, 1, 1), True),
        ((2, 4, 16, 16, 64), (3, 3, 3, 64, 64), (1, 2, 2), True),
        ((2, 4, 16, 16, 64), (3, 3, 3, 64, 64), (2, 2, 2), False),
        ((2, 4, 8, 8, 256), (1, 1, 1, 256, 512), (1, 2, 2), True),
        ((2, 4, 8, 8, 256), (1, 1, 1, 256, 512), (1, 1, 1), False),
        ((2, 4, 4, 4, 256), (1, 1, 1, 256, 512), (1, 1, 1), True),
        ((2, 4, 8, 8, 512), (3, 1, 1, 512, 256), (1, 1, 1), False),
        ((2, 4, 8, 8, 512), (3, 1, 1, 512, 512), (1, 1, 1), True),
        ((2, None, 8, 8, 256), (1, 3, 3, 256, 256), (1, 1, 1), False),
        ((2, 4, 8, 8, 256), (1, 3, 3, 256, 256), (1, 3, 3), False),
    )
    def test_it_is_taken_by_shape(self, inputs, kernel, strides, expected):
        self.assertEqual(filter_gradient.is_faster(tf.TensorShape(inputs), kernel, strides), expected)

    @parameterized.parameters((True, False, False), (False, False, True), (True, True, True))
    def test_a_layer_takes_it_in_training_where_a_normalization_follows(self, training, use_bias, by_library):
        layer = ClipConv3D(32, (1, 3, 3), padding="same", use_bias=use_bias)
        layer.build((2, 4, 8, 8, 32))

        @tf.function(autograph=False)
        def gradient(inputs):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(inputs, training=training) ** 2)
            return tape.gradient(loss, layer.trainable_weights)

        graph = gradient.get_concrete_function(tf.zeros([2, 4, 8, 8, 32])).graph
        kinds = {operation.type for operation in graph.get_operations()}
        self.assertEqual("Conv3DBackpropFilterV2" in kinds, by_library)


def _value_and_gradients(call, inputs, kernel):
    with tf.GradientTape() as tape:
        tape.watch((inputs, kernel))
        outputs = call(inputs, kernel)
        loss = tf.reduce_sum(tf.sin(outputs))
    return outputs, *tape.gradient(loss, (inputs, kernel))


if __name__ == "__main__":
    tf.test.main()
