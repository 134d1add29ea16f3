"""Copies of a video stay near through encoders, crops, mirrors, cuts and logos; other moments of a scene do not."""

import itertools

import cv2
import numpy as np
from absl.testing import parameterized

from spl_tf.data.duplicates.fingerprint_files import Chunk
from spl_tf.data.duplicates.fingerprints import SIDE
from spl_tf.data.duplicates.lookalikes import VIEWS, find_lookalikes
from spl_tf.data.duplicates.near_duplicates import AROUND, DISTANCE_LIMIT, NONE, compare
from tests.data.duplicates.film_case import FilmCase


def resized(frames, width, height):
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])


def with_logo(frames):
    """A white sign with a black bar, 3.7 % of the area."""
    frames = frames.copy()
    frames[:, 4:27, 4:35], frames[:, 12:18, 8:30] = 255, 0
    return frames


def card(frames, seconds):
    return np.concatenate([np.full((int(20 * seconds), *frames.shape[1:]), (200, 60, 20), np.uint8), frames])


# Of 140 frames, 20 a second: what is made of them, options of the file, and how many seconds are shared.
COPIES = {
    "another codec": lambda frames: (frames, {"codec": "MJPG"}, 7),
    "half size": lambda frames: (resized(frames, 80, 60), {}, 7),
    "another aspect": lambda frames: (resized(frames, 214, 120), {}, 7),
    "borders cut off": lambda frames: (frames[:, 12:-12, 16:-16], {}, 7),
    "one side cut off": lambda frames: (frames[:, :, 24:], {}, 7),
    "corner cut off": lambda frames: (frames[:, 12:, :-16], {}, 7),
    "bars": lambda frames: (np.pad(frames, ((0, 0), (20, 20), (0, 0), (0, 0))), {}, 7),
    "a tenth faster": lambda frames: (frames[np.arange(0, len(frames) - 1, 1.1).astype(int)], {}, 6.3),
    "three quarters of the speed": lambda frames: (frames, {"fps": 15.0}, 9.3),
    "twice as fast": lambda frames: (frames[::2], {}, 3.5),
    "brighter and paler": lambda frames: ((frames * 0.7 + 50).astype(np.uint8), {}, 7),
    "mirrored": lambda frames: (frames[:, :, ::-1], {}, 7),
    "half a second off both ends": lambda frames: (frames[10:-10], {}, 6),
    "two seconds off the beginning": lambda frames: (frames[40:], {}, 5),
    "two seconds off the end": lambda frames: (frames[:-40], {}, 5),
    "a card in front": lambda frames: (card(frames, 3), {}, 7),
    "a logo": lambda frames: (with_logo(frames), {}, 7),
    "all at once": lambda frames: (
        with_logo(resized(frames[20:, 6:-6, -8:7:-1], 160, 120) * 0.8 + 30).astype(np.uint8),
        {"codec": "MJPG"},
        6,
    ),
}


class NearDuplicatesTest(FilmCase):
    def pictures(self, frames, **options):
        return self.fingerprint(frames, **options).pictures

    def match(self, first, second):
        """What the pictures of two have in common, by the search and the comparison."""
        chunk = Chunk(np.concatenate([first, second]), np.cumsum([0, len(first), len(second)]))
        found = find_lookalikes([chunk], np.ones(2, bool), np.zeros(2, bool), 1).pairs.tolist()
        if not found:
            return NONE
        ((one, other, view, *places),) = found
        found = (first, second)[one], (first, second)[other], VIEWS[view], *places
        return min((compare(*found, around) for around in AROUND), key=lambda match: match.distance)

    @parameterized.parameters(*COPIES)
    def test_a_copy_is_found_and_near(self, kind):
        original = self.films.film(1, 140)
        frames, options, seconds = COPIES[kind](original)
        match = self.match(self.pictures(original), self.pictures(frames, **options))
        self.assertLess(match.distance, DISTANCE_LIMIT / 1.5)
        self.assertBetween(match.seconds, 0.85 * min(seconds, 7), 1.1 * max(seconds, 7))

    def test_of_a_longer_upload_the_piece_is_found(self):
        piece = self.films.film(1, 120)
        longer = np.concatenate([self.films.film(2, 300), piece, self.films.film(3, 200)])
        match = self.match(self.pictures(piece), self.pictures(longer))
        self.assertLess(match.distance, DISTANCE_LIMIT)
        self.assertBetween(match.seconds, 5.0, 6.5)

    def test_uploads_that_share_two_of_three_pieces_have_those_in_common(self):
        shared, other = [self.films.film(seed, 60) for seed in (1, 2)], [self.films.film(seed, 60) for seed in (3, 4)]
        match = self.match(*(self.pictures(np.concatenate([*shared, piece])) for piece in other))
        self.assertBetween(match.seconds, 5.0, 6.5)  # Of nine.

    def test_different_clips_of_one_scene_have_nothing_in_common(self):
        clips = [self.pictures(self.films.film(1, 100, motion=motion)) for motion in range(12)]
        for first, second in itertools.combinations(clips, 2):
            # The pictures themselves are alike: it is the motion that tells.
            self.assertGreater(np.corrcoef(first.mean(axis=0).ravel(), second.mean(axis=0).ravel())[0, 1], 0.5)
            match = self.match(first, second)
            self.assertTrue(match.seconds < 2.5 or match.distance > DISTANCE_LIMIT, match)

    def test_other_moments_of_two_scenes_cut_at_the_same_time_are_far(self):
        pieces = [[self.films.film(seed, 60, motion=motion) for seed in (1, 2)] for motion in (3, 4)]
        # The scenes nearly stand still: the cut is the largest change by far.
        calm = [np.concatenate([(0.85 * p.mean(axis=0) + 0.15 * p).astype(np.uint8) for p in pair]) for pair in pieces]
        match = self.match(*map(self.pictures, calm))
        self.assertTrue(match.seconds < 3 or match.distance > DISTANCE_LIMIT, match)

    def test_flat_and_dark_videos_are_like_nothing(self):
        flat = [self.pictures(np.full((40, 60, 80, 3), level, np.uint8)) for level in (0, 100, 100)]
        for first, second in itertools.combinations(flat, 2):
            self.assertEqual(self.match(first, second), NONE)
            self.assertEqual(compare(first, second, VIEWS[0], 3, 3), NONE)

    def test_still_videos_are_compared_by_their_picture(self):
        first, other = (np.repeat(self.films.film(seed, 1), 40, axis=0) for seed in (1, 2))
        still, copy, stranger = (self.pictures(frames) for frames in (first, resized(first[:30], 120, 90), other))
        match = self.match(still, copy)
        self.assertLess(match.distance, DISTANCE_LIMIT)
        self.assertGreater(match.seconds, 1.2)
        self.assertEqual(compare(still, stranger, VIEWS[0], 3, 3), NONE)

    def test_strangers_are_far(self):
        fingerprints = [self.pictures(self.films.film(seed, 40)) for seed in range(8)]
        for first, second in itertools.combinations(fingerprints, 2):
            match = self.match(first, second)
            self.assertTrue(match.seconds < 1.5 or match.distance > DISTANCE_LIMIT, match)
        self.assertEqual(fingerprints[0].shape[1:], (SIDE, SIDE))
