import collections

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building import windows


class WindowsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((10.0, 25.0, 250), (2.56, 25.0, 64), (1.0, 12.5, 13), (0.04, 25.0, 1), (1.0, 29.97, 30))
    def test_frames_per_clip_fill_the_window_and_stay_in_it(self, clip_seconds, fps, expected):
        self.assertEqual(windows.frames_per_clip(clip_seconds, fps), expected)
        *_, last = windows.target_times_us(0, fps, expected)
        self.assertLess(last, clip_seconds * 1e6)

    def test_targets_do_not_drift(self):
        times = list(windows.target_times_us(5_000_000, 30.0, 3001))
        self.assertEqual(times[3000], 105_000_000)
        self.assertEqual(times[1], 5_033_333)

    @parameterized.parameters((64, 1), (63, 1), (1, 1), (127, 1), (128, 2), (355, 5), (0, 1))
    def test_a_window_counts_when_all_its_64_frames_are_shown(self, num_frames, expected):
        self.assertEqual(windows.count_windows(num_frames * 40_000, 2.56, 25.0), expected)

    def test_clip_seconds_zero_is_one_window(self):
        self.assertEqual(windows.count_windows(10**10, 0.0, 25.0), 1)

    @parameterized.parameters(([7, 1, 3, 0, 9], 10), ([5, 5, 5], 4), ([2, 2], 9), ([100], 7), ([0, 0], 3))
    def test_quota_is_met_or_the_class_is_kept_whole(self, available, quota):
        chosen = windows.choose_for_quota(available, [0] * len(available), quota, seed=3)
        shares = [len(indices) for indices in chosen]
        self.assertEqual(sum(shares), min(quota, sum(available)))
        for indices, amount in zip(chosen, available, strict=True):
            self.assertLen(set(indices), len(indices))
            self.assertEqual(list(indices), sorted(indices))
            self.assertTrue(all(0 <= index < amount for index in indices))
        # Even: a video gives less than another by two or more only when it has no more.
        for share, amount in zip(shares, available, strict=True):
            self.assertTrue(share == amount or share >= max(shares) - 1)

    def test_quota_caps_the_head_and_keeps_the_tail(self):
        generator = np.random.default_rng(0)
        available = generator.integers(1, 9, size=300)
        classes = np.minimum(generator.geometric(0.4, size=300) - 1, 5)
        chosen = windows.choose_for_quota(available.tolist(), classes.tolist(), 40, seed=1)
        for class_id in range(6):
            total = sum(available[classes == class_id])
            drawn = sum(len(chosen[video]) for video in np.flatnonzero(classes == class_id))
            self.assertEqual(drawn, min(40, total))

    def test_a_videos_clips_are_spread_over_its_length(self):
        self.assertEqual(windows.spread(1, 9), (4,))
        self.assertEqual(windows.spread(3, 9), (1, 4, 7))
        self.assertEqual(windows.spread(9, 9), tuple(range(9)))
        self.assertEqual(windows.spread(0, 9), ())

    def test_the_draw_depends_on_the_seed_alone(self):
        arguments = ([3] * 20, [0] * 20, 30)
        first = windows.choose_for_quota(*arguments, seed=1)
        self.assertEqual(first, windows.choose_for_quota(*arguments, seed=1))
        self.assertNotEqual(first, windows.choose_for_quota(*arguments, seed=2))

    def test_multi_label_videos_count_for_one_of_their_labels(self):
        labels = [(0, 1)] * 2000 + [(2,)]
        drawn = windows.one_class_each(labels, seed=0)
        counts = collections.Counter(drawn)
        self.assertEqual(counts[2], 1)
        self.assertBetween(counts[0], 900, 1100)
