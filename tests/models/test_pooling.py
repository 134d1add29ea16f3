import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.pooling import InnerMaxPooling3D


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

    @parameterized.parameters("bfloat16", "float16")
    def test_half_precision_pads_with_its_lowest_number(self, dtype):
        clips = tf.cast(-100 * tf.ones([1, 1, 1, 1, 2]), dtype)
        layer = InnerMaxPooling3D((2, 2, 2), (2, 2, 2), dtype="float32" if dtype == "float16" else dtype)
        self.assertAllEqual(tf.cast(layer(clips), tf.float32), -100 * np.ones([1, 1, 1, 1, 2]))

    def test_config_round_trip(self):
        layer = InnerMaxPooling3D((2, 3, 3), (2, 2, 2), name="pool")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        self.assertIsInstance(again, InnerMaxPooling3D)
        self.assertEqual(again.get_config(), layer.get_config())


if __name__ == "__main__":
    tf.test.main()
