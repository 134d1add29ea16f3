import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input import views


class SamplingTest(parameterized.TestCase, tf.test.TestCase):
    def test_random_start_reaches_every_start_that_fits_and_no_other(self):
        # 10 frames, 3 drawn at stride 2 reach over 5: starts 0 to 5.
        uniforms = np.linspace(0, 1, 600, endpoint=False, dtype=np.float32)
        starts = [int(views.random_start(tf.constant(10), 3, 2, tf.constant(u))) for u in uniforms]
        self.assertEqual(np.bincount(starts).tolist(), [100] * 6)

    def test_largest_uniform_stays_in_range(self):
        largest = tf.constant(np.nextafter(np.float32(1), np.float32(0)))
        for count in (1, 2, 3, 7, 1000, 2**24 - 1):
            self.assertEqual(int(views.scaled(largest, tf.constant(count))), count - 1)

    @parameterized.parameters((10, 3, 2, 2), (64, 16, 4, 1), (250, 16, 4, 94), (5, 3, 2, 0), (1, 1, 1, 0))
    def test_single_view_is_centred(self, available, num_frames, stride, expected):
        start = int(views.view_start(tf.constant(available), num_frames, stride, tf.constant(0), 1))
        self.assertEqual(start, expected)
        left, right = start, available - (start + (num_frames - 1) * stride + 1)
        self.assertIn(right - left, (0, 1))

    @parameterized.parameters(2, 3, 10)
    def test_views_are_spaced_as_linspace_from_start_to_end(self, num_views):
        starts = [int(views.view_start(tf.constant(101), 8, 4, tf.constant(v), num_views)) for v in range(num_views)]
        exact = np.linspace(0, 101 - 29, num_views)
        self.assertAllLessEqual(np.abs(starts - exact), 0.5)
        self.assertEqual((starts[0], starts[-1]), (0, 72))

    def test_frame_indices_stride_through_a_long_clip(self):
        indices = views.frame_indices(tf.constant(5), tf.constant(64), 4, 8)
        self.assertAllEqual(indices, [5, 13, 21, 29])

    def test_short_clip_is_looped_from_its_first_frame(self):
        for start in (
            views.random_start(tf.constant(5), 4, 2, tf.constant(0.9)),
            views.view_start(tf.constant(5), 4, 2, tf.constant(2), 3),
        ):
            indices = views.frame_indices(start, tf.constant(5), 4, 2)
            self.assertAllEqual(indices, [0, 2, 4, 1])

    def test_image_is_a_clip_of_one_frame(self):
        start = views.random_start(tf.constant(1), 1, 1, tf.constant(0.7))
        self.assertAllEqual(views.frame_indices(start, tf.constant(1), 1, 1), [0])

    def test_random_windows_cover_every_place_inside_the_frame(self):
        places = set()
        for u in np.random.default_rng(0).random((500, 2), np.float32):
            y, x, height, width = views.random_window(tf.constant(7), tf.constant(9), 5, tf.constant(u)).numpy()
            self.assertEqual((height, width), (5, 5))
            places.add((y, x))
        self.assertEqual(places, {(y, x) for y in range(3) for x in range(5)})

    @parameterized.parameters(
        (7, 10, 1, [[1, 2]]),
        (7, 10, 3, [[1, 0], [1, 3], [1, 5]]),  # Along the long side, centred on the short one.
        (11, 6, 3, [[0, 0], [3, 0], [6, 0]]),
        (7, 7, 2, [[1, 0], [1, 2]]),
    )
    def test_windows_of_a_view_are_spaced_along_the_long_side(self, height, width, num_crops, places):
        windows = [
            views.view_window(tf.constant(height), tf.constant(width), 5, tf.constant(crop), num_crops).numpy()
            for crop in range(num_crops)
        ]
        self.assertAllEqual(windows, [[y, x, 5, 5] for y, x in places])
