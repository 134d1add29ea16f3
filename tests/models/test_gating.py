import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.gating import SelfGating


class SelfGatingTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(True, False)
    def test_channels_are_scaled_by_the_sigmoid_of_the_clips_mean(self, use_bias):
        random = np.random.default_rng(0)
        clips = random.normal(size=(2, 3, 4, 5, 6)).astype(np.float32)
        layer = SelfGating(use_bias)
        layer.build(clips.shape)
        values = [random.normal(size=variable.shape).astype(np.float32) for variable in layer.weights]
        layer.set_weights(values)
        bias = values[1] if use_bias else np.zeros(6)
        for clip, outputs in zip(clips, layer(clips).numpy(), strict=True):
            gate = 1 / (1 + np.exp(-(clip.mean((0, 1, 2)) @ values[0] + bias)))
            self.assertAllClose(outputs, clip * gate, 1e-5, 1e-6)

    def test_a_new_gate_is_about_one_half(self):
        layer = SelfGating()
        self.assertAllClose(layer(tf.ones([1, 2, 3, 3, 64])), np.full([1, 2, 3, 3, 64], 0.5), atol=0.1)
        self.assertAllInRange(layer.kernel.numpy(), -0.02, 0.02)
        self.assertAllEqual(layer.bias, np.zeros(64))

    def test_mixed_precision_computes_the_gate_in_float32(self):
        layer = SelfGating(dtype="mixed_bfloat16")
        clips = np.ones([1, 1, 64, 64, 1])
        clips[0, 0, 0, 0] = 2.0  # The mean, 1 + 1 / 4096, is 1 in bfloat16.
        layer.build(clips.shape)
        layer.set_weights([np.array([[4096.0]]), np.array([-4097.0])])
        outputs = layer(tf.constant(clips, layer.compute_dtype))
        self.assertEqual(outputs.dtype, layer.compute_dtype)
        self.assertAllClose(tf.cast(outputs, tf.float32)[0, 0, 1:], np.full([63, 64, 1], 0.5), atol=1e-3)


if __name__ == "__main__":
    tf.test.main()
