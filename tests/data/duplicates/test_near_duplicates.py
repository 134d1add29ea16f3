"""Copies of a video stay near through encoders, crops, bars and speed; other moments and flat pictures do not count."""

import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.duplicates.fingerprints import MOMENTS, SIDE, Interval, fingerprint
from spl_tf.data.duplicates.lookalikes import find_lookalikes
from spl_tf.data.duplicates.near_duplicates import DISTANCE_LIMIT, Window, distance


def resized(frames, width, height):
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])


DEGRADATIONS = {
    "another codec": lambda frames: (frames, {"codec": "MJPG"}, ".avi"),
    "half size": lambda frames: (resized(frames, 80, 60), {}, ".mp4"),
    "borders cut off": lambda frames: (frames[:, 12:-12, 16:-16], {}, ".mp4"),
    "one side cut off": lambda frames: (frames[:, :, 24:], {}, ".mp4"),
    "corner cut off": lambda frames: (frames[:, 12:, :-16], {}, ".mp4"),
    "bars": lambda frames: (np.pad(frames, ((0, 0), (20, 20), (0, 0), (0, 0))), {}, ".mp4"),
    "a quarter faster": lambda frames: (frames[np.arange(0, len(frames) - 1, 1.25).astype(int)], {}, ".mp4"),
    "three quarters of the speed": lambda frames: (frames, {"fps": 15.0}, ".mp4"),
    "twice as fast": lambda frames: (frames[::2], {}, ".mp4"),
    "brighter and paler": lambda frames: ((frames * 0.7 + 50).astype(np.uint8), {}, ".mp4"),
    "all at once": lambda frames: (
        resized(frames[::2, 10:-10, 12:-12] * 0.8 + 30, 120, 100).astype(np.uint8),
        {"codec": "MJPG", "fps": 15.0},
        ".avi",
    ),
}


class NearDuplicatesTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, films):
        self.films = films

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def fingerprint(self, frames, suffix=".mp4", **options):
        path = self.films.write(self.folder / f"{len(list(self.folder.iterdir()))}{suffix}", frames, **options)
        return fingerprint(Interval(path, 0.0, float("inf")))

    @parameterized.parameters(*DEGRADATIONS)
    def test_a_copy_is_found_and_near(self, degradation):
        original = self.films.film(1, 120)
        frames, options, suffix = DEGRADATIONS[degradation](original)
        pair = np.stack([self.fingerprint(original), self.fingerprint(frames, suffix, **options)])
        found = find_lookalikes([pair], np.ones(2, bool))
        self.assertLen(found.pairs, 1)
        self.assertLess(distance(*pair), DISTANCE_LIMIT / 1.5)
        self.assertNear(distance(*pair), distance(*pair[::-1]), 0.05)

    def test_another_moment_of_the_same_scene_is_far(self):
        first, second = (self.fingerprint(self.films.film(1, 120, motion=motion)) for motion in (1, 2))
        # The pictures themselves are alike: it is the motion that tells.
        self.assertGreater(np.corrcoef(first.ravel(), second.ravel())[0, 1], 0.5)
        self.assertGreater(distance(first, second), 2 * DISTANCE_LIMIT)

    def test_uploads_that_share_two_of_three_pieces_are_far(self):
        shared, other = [self.films.film(seed, 60) for seed in (1, 2)], [self.films.film(seed, 60) for seed in (3, 4)]
        first, second = (self.fingerprint(np.concatenate([*shared, piece])) for piece in other)
        self.assertGreater(distance(first, second), 1.5 * DISTANCE_LIMIT)

    def test_other_moments_of_two_scenes_cut_at_the_same_time_are_far(self):
        pieces = [[self.films.film(seed, 60, motion=motion) for seed in (1, 2)] for motion in (3, 4)]
        # The scenes nearly stand still: the cut is the largest change by far.
        calm = [np.concatenate([(0.85 * p.mean(axis=0) + 0.15 * p).astype(np.uint8) for p in pair]) for pair in pieces]
        self.assertGreater(distance(*map(self.fingerprint, calm)), 1.3 * DISTANCE_LIMIT)

    def test_flat_and_dark_videos_are_like_nothing(self):
        flat = [self.fingerprint(np.full((20, 60, 80, 3), level, np.uint8)) for level in (0, 100, 100)]
        self.assertEmpty(find_lookalikes([np.stack(flat)], np.ones(3, bool)).pairs)
        self.assertEqual([distance(flat[0], flat[1]), distance(flat[1], flat[2])], [np.inf, np.inf])

    def test_still_videos_are_compared_by_their_picture(self):
        first, other = (np.repeat(self.films.film(seed, 1), 40, axis=0) for seed in (1, 2))
        still, copy, stranger = (self.fingerprint(frames) for frames in (first, resized(first[:20], 120, 90), other))
        self.assertLess(distance(still, copy), DISTANCE_LIMIT)
        self.assertGreater(distance(still, stranger), DISTANCE_LIMIT)

    def test_a_window_undoes_a_crop_exactly(self):
        generator = np.random.default_rng(0)
        coarse = generator.uniform(0, 255, (MOMENTS, 6, 6)).astype(np.float32)
        large = np.stack([cv2.resize(picture, (320, 320), interpolation=cv2.INTER_CUBIC) for picture in coarse])
        whole, part = (
            np.clip([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in pictures], 0, 255)
            for pictures in (large, large[:, 32:, 64:])
        )
        self.assertLess(distance(whole, part, Window(0.8, 0.1, 0.9, 0.05)), 0.01)

    def test_strangers_are_far(self):
        fingerprints = np.stack([self.fingerprint(self.films.film(seed, 40)) for seed in range(8)])
        self.assertEmpty(find_lookalikes([fingerprints], np.ones(8, bool)).pairs)
        self.assertGreater(distance(fingerprints[0], fingerprints[1]), 2 * DISTANCE_LIMIT)
