import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.layers import ClipConv3D, InnerMaxPooling3D, SamePadding, SymmetricPadding


class ClipConv3DTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(frames=(1, 2, 3, 4, 6), kernel=((3, 3, 3), (3, 1, 1), (5, 3, 3)), bfloat16=(False, True))
    def test_values_and_gradients_for_clips_shorter_than_the_kernel(self, frames, kernel, bfloat16):
        random = np.random.default_rng(0)
        clips = tf.constant(random.normal(size=(2, frames, 5, 5, 16)), tf.float32)
        layer = ClipConv3D(16, kernel, padding="same", dtype="mixed_bfloat16" if bfloat16 else "float32")
        layer.build(clips.shape)
        margins = [(0, 0), *((size // 2, size // 2) for size in kernel), (0, 0)]
        weights = tf.constant(random.normal(size=(2, frames, 5, 5, 16)), tf.float32)

        def gradients(convolve):
            with tf.GradientTape() as tape:
                tape.watch(clips)
                outputs = tf.cast(convolve(), tf.float32)
                loss = tf.reduce_sum(outputs * weights)
            return [outputs, *tape.gradient(loss, [clips, layer.kernel.value])]

        expected = gradients(lambda: tf.nn.conv3d(tf.pad(clips, margins), layer.kernel.value, [1] * 5, "VALID"))
        for value, right in zip(gradients(lambda: layer(clips)), expected, strict=True):
            # How exactly bfloat16 is summed depends on the CPU; a shifted kernel is off by as much as there is.
            self.assertAllClose(value, right, atol=(0.1 if bfloat16 else 1e-5) * np.abs(right).max())

    def test_a_compiled_forward_pass_of_two_frames_equals_the_eager_one(self):
        clips = tf.constant(np.random.default_rng(0).normal(size=(2, 2, 8, 8, 8)), tf.float32)
        inputs = keras.Input((None, None, None, 8))
        # Bias, activation and addition are what the graph optimizer fuses with a convolution.
        branch = ClipConv3D(8, 3, padding="same", activation="relu")(inputs)
        network = keras.Model(inputs, ClipConv3D(8, 3, padding="same")(branch) + inputs)
        self.assertAllClose(tf.function(network)(clips), network(clips), atol=1e-5)

    @parameterized.parameters({"padding": "valid"}, {"strides": (2, 1, 1), "padding": "same"}, {"padding": "same"})
    def test_is_keras_layer_otherwise(self, **options):
        clips = np.random.default_rng(0).normal(size=(1, 4, 6, 6, 3)).astype(np.float32)
        layer, keras_layer = ClipConv3D(4, 3, **options), keras.layers.Conv3D(4, 3, **options)
        keras_layer.build(clips.shape)
        layer.build(clips.shape)
        layer.set_weights(keras_layer.get_weights())
        self.assertAllClose(layer(clips), keras_layer(clips))


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
        if kernel == (1, 1, 1):
            # Where the stride is 3, tf.nn.conv3d begins at the second pixel on CPUs without AVX-512, unlike conv2d.
            expected = clips[:, :: strides[0], :: strides[1], :: strides[2]] @ weights[0, 0, 0]
        else:
            expected = tf.nn.conv3d(clips - color, weights, (1, *strides, 1), "SAME")
            expected += tf.einsum("thwio,i->o", weights, color)
        layer = SamePadding(kernel, strides, color.tolist())

        def convolved(clips):
            return tf.nn.conv3d(layer(clips), weights, (1, *strides, 1), "VALID")

        unknown = tf.TensorSpec((None, None, None, None, 2))
        for got in (convolved(clips), tf.function(convolved, input_signature=[unknown])(clips)):
            self.assertAllClose(got, expected, atol=1e-4)
        self.assertEqual(layer.compute_output_shape(clips.shape), tuple(layer(clips).shape))
        self.assertEqual(layer.compute_output_shape((None, None, *size[1:], 2))[:2], (None, None))


def _pooled(clip: np.ndarray, window: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Maximum over windows of [T, H, W, C], one at a time."""
    counts = [max(1, (size - w) // s + 1) for size, w, s in zip(clip.shape, window, strides, strict=False)]
    outputs = np.empty((*counts, clip.shape[-1]), clip.dtype)
    for index in np.ndindex(*counts):
        slices = tuple(slice(i * s, i * s + w) for i, w, s in zip(index, window, strides, strict=True))
        outputs[index] = clip[slices].max((0, 1, 2))
    return outputs


class InnerMaxPooling3DTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(
        size=((4, 6, 8), (5, 7, 3), (1, 1, 1), (1, 5, 2)),
        form=(((1, 2, 2), (1, 2, 2)), ((2, 3, 3), (2, 2, 2)), ((2, 1, 1), (2, 1, 1))),
        static=(True, False),
    )
    def test_windows_lie_inside_and_a_short_clip_is_one_window(self, size, form, static):
        clips = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32) - 5  # No zero may win.
        inputs = keras.Input((*size, 3) if static else (None, None, None, 3))
        model = keras.Model(inputs, InnerMaxPooling3D(*form)(inputs))
        expected = np.stack([_pooled(clip, *form) for clip in clips])
        self.assertAllEqual(model(clips), expected)
        self.assertEqual(model.compute_output_shape(clips.shape), expected.shape)
        forward = tf.function(model, input_signature=[tf.TensorSpec([None, None, None, None, 3])])
        self.assertAllEqual(forward(clips), expected)

    def test_gradient_goes_to_the_maxima(self):
        clips = tf.constant(np.random.default_rng(0).permutation(27).reshape(1, 3, 3, 3, 1), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(clips)
            outputs = InnerMaxPooling3D((5, 2, 2), (1, 2, 2))(clips)
        seen = clips[0, :, :2, :2].numpy()  # The third row and column are left over.
        expected = np.zeros(clips.shape)
        expected[0, :, :2, :2] = seen == seen.max()
        self.assertAllEqual(tape.gradient(outputs, clips), expected)

    def test_bfloat16_pads_with_its_lowest_number(self):
        clips = tf.cast(-100 * tf.ones([1, 1, 1, 1, 2]), tf.bfloat16)
        layer = InnerMaxPooling3D((2, 2, 2), (2, 2, 2), dtype="bfloat16")
        self.assertAllEqual(tf.cast(layer(clips), tf.float32), -100 * np.ones([1, 1, 1, 1, 2]))


if __name__ == "__main__":
    tf.test.main()
