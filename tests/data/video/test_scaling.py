import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video import scaling
from spl_tf.data.video.errors import UnreadableError


def grey(level, height=48, width=64):
    return np.full((height, width, 3), level, np.uint8)


class ScalingTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((480, 640, 256, (256, 341)), (640, 480, 256, (341, 256)), (24, 24, 96, (96, 96)))
    def test_the_short_side_is_met_and_the_aspect_kept(self, height, width, short_side, expected):
        self.assertEqual(scaling.scaled_size(height, width, short_side), expected)

    def test_refuses_a_size_no_jpeg_file_can_have(self):
        with self.assertRaisesRegex(UnreadableError, r"unusable size \(4000x3\)"):
            scaling.scaled_size(3, 4000, 256)

    def test_shrinks_by_the_mean_over_areas(self):
        noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
        noise = np.repeat(np.repeat(noise[::8, ::8], 8, axis=0), 8, axis=1)
        means = noise.reshape(12, 8, 16, 8, 3).mean(axis=(1, 3))
        self.assertAllEqual(scaling.scaled(noise, 12, 16), np.round(means))
        (in_turn,) = scaling.scaled_in_turn([lambda: noise], 12, 16)
        self.assertAllEqual(in_turn, np.round(means))

    def test_enlarges_a_small_frame(self):
        jpeg = scaling.encoded(scaling.scaled(grey(90, 10, 20), 48, 96), 90)
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)
        self.assertEqual(picture.shape, (48, 96, 3))
        self.assertAllClose(picture.mean(), 90, atol=1)

    @parameterized.parameters((120, 160, 8), (360, 640, 2), (720, 1280, 1), (4320, 7680, 1))
    def test_large_frames_are_used_one_by_one(self, height, width, count):
        self.assertEqual(scaling.frames_in_turn(height, width), count)
