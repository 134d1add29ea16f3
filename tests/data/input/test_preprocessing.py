import numpy as np
import tensorflow as tf

from spl_tf.data.input.preprocessing import normalize, prepare_training


class PreprocessingTest(tf.test.TestCase):
    def test_normalize_has_the_reference_codes_mean_and_deviation(self):
        clips = np.arange(256, dtype=np.uint8)[None, None, None, :, None].repeat(3, axis=-1)
        expected = (clips.astype(np.float64) - 114.75) / 57.375
        self.assertAllClose(normalize(clips), expected, atol=1e-6)
        self.assertAllClose(normalize(clips.astype(np.float32)), expected, atol=1e-6)
        self.assertEqual(normalize(clips).dtype, tf.float32)

    def test_training_without_jitter_equals_evaluation(self):
        clips = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
        neutral = tf.constant([[0.0, 1.0, 1.0, 0.0]] * 2)
        self.assertAllClose(prepare_training(clips, neutral), normalize(clips), atol=1e-5)

    def test_brightness_is_added_before_normalisation(self):
        clips = np.full((1, 1, 2, 2, 3), 51, np.uint8)
        prepared = prepare_training(clips, tf.constant([[0.25, 1.0, 1.0, 0.0]]))
        self.assertAllClose(prepared, np.zeros((1, 1, 2, 2, 3)), atol=1e-5)
