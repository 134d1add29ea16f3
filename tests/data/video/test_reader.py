import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video import reader
from spl_tf.data.video.errors import UnreadableError


def grey(level, height=48, width=64):
    return np.full((height, width, 3), level, np.uint8)


class ScalingTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((480, 640, 256, (256, 341)), (640, 480, 256, (341, 256)), (24, 24, 96, (96, 96)))
    def test_the_short_side_is_met_and_the_aspect_kept(self, height, width, short_side, expected):
        self.assertEqual(reader.scaled_size(height, width, short_side), expected)

    def test_refuses_a_size_no_jpeg_file_can_have(self):
        with self.assertRaisesRegex(UnreadableError, r"unusable size \(4000x3\)"):
            reader.scaled_size(3, 4000, 256)

    def test_shrinks_by_the_mean_over_areas(self):
        noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
        noise = np.repeat(np.repeat(noise[::8, ::8], 8, axis=0), 8, axis=1)
        jpeg = reader.encode_frame(noise, 12, 16, 100)
        means = noise.reshape(12, 8, 16, 8, 3).mean(axis=(1, 3))
        expected = cv2.imdecode(cv2.imencode(".jpg", np.round(means), [cv2.IMWRITE_JPEG_QUALITY, 100])[1], 1)
        self.assertAllEqual(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1), expected)

    def test_enlarges_a_small_frame(self):
        picture = cv2.imdecode(np.frombuffer(reader.encode_frame(grey(90, 10, 20), 48, 96, 90), np.uint8), 1)
        self.assertEqual(picture.shape, (48, 96, 3))
        self.assertAllClose(picture.mean(), 90, atol=1)
