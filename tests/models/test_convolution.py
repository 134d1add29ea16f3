import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.convolution import ClipConv3D


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
            self.assertAllClose(value, right, atol=(0.02 if bfloat16 else 1e-5) * np.abs(right).max())

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

    def test_config_round_trip(self):
        layer = ClipConv3D(4, (3, 1, 1), padding="same", use_bias=False, name="conv")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        self.assertIsInstance(again, ClipConv3D)
        self.assertEqual(again.get_config(), layer.get_config())


if __name__ == "__main__":
    tf.test.main()
