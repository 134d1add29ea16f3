"""Starts of views against brute force and closed forms; frames that several views show are decoded once."""

import itertools
from unittest import mock

import cv2
import numpy as np
import PIL.Image
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data import record_decoding
from spl_tf.data.clip import Clip
from spl_tf.data.input.augmentation import draw_key
from spl_tf.data.input.view_samplers import (
    ClipTuple,
    RandomSkips,
    RandomViews,
    TwoWindows,
    falling_distance,
    with_random_skips,
)
from spl_tf.data.input.views import ViewShape, random_window
from spl_tf.data.record import clip_to_bytes
from spl_tf.errors import UserError

SHAPE = ViewShape(num_frames=16, frame_stride=1, crop_size=8)
DRAWS = 6000


def _drawn(sampler, available, shape=SHAPE, count=DRAWS):
    """Starts [count, V] and what is carried, of as many clips."""

    def draw(clip_id):
        key = draw_key(0, tf.constant(3, tf.int64), clip_id, "views")
        drawn = sampler.draw(tf.constant(available), shape, tf.zeros([sampler.num_views]), key)
        return drawn.starts, drawn.carried

    dataset = tf.data.Dataset.from_tensor_slices([f"clip{number}" for number in range(count)])
    starts, carried = next(dataset.map(draw, num_parallel_calls=2).batch(count).as_numpy_iterator())
    return starts, carried


class RandomSkipsTest(parameterized.TestCase, tf.test.TestCase):
    def _drawn(self, sampler, available, count):
        firsts = tf.constant(np.random.default_rng(available).random((count, 2)), tf.float32)

        def draw(number):
            key = draw_key(0, tf.constant(3, tf.int64), tf.strings.as_string(number), "views")
            drawn = sampler.draw(tf.constant(available), SHAPE, firsts[number], key)
            return drawn.starts, drawn.strides

        dataset = tf.data.Dataset.range(count).map(draw, num_parallel_calls=2)
        return next(dataset.batch(count).as_numpy_iterator())

    @parameterized.parameters(200, 80, 79, 40, 33, 32, 16, 15, 1)
    def test_strides_and_starts_are_as_often_what_the_authors_loop_gives(self, available):
        count = 3000
        starts, strides = self._drawn(RandomSkips(1, 5, num_views=2), available, count)
        expected = {}
        for skip in range(1, 6):
            stride = skip
            while 16 * stride > available and stride > 1:
                stride -= 1
            # random.randint(1, n - 16 * stride), and 1 where that is no range.
            places = range(1, available - 16 * stride + 1) or [1]
            for place in places:
                expected[stride, place - 1] = expected.get((stride, place - 1), 0) + 1 / 5 / len(places)
        for view in range(2):
            pairs = list(zip(strides[:, view].tolist(), starts[:, view].tolist(), strict=True))
            self.assertContainsSubset(set(pairs), expected)
            for pair, share in expected.items():
                deviation = (share * (1 - share) / count) ** 0.5
                self.assertAllClose(pairs.count(pair) / count, share, atol=4.9 * deviation + 1e-12)
        if available == 200:
            self.assertLess(abs(np.corrcoef(strides.T)[0, 1]), 4.5 / count**0.5)

    def test_only_a_range_and_independent_views_are_taken(self):
        self.assertEqual(with_random_skips(RandomViews(3), [2, 4]), RandomSkips(2, 4, 3))
        for skips in ((0, 5), (3, 2)):
            with self.assertRaisesRegex(UserError, "training_clips.skips = .* from 1 upwards"):
                with_random_skips(RandomViews(), skips)
        with self.assertRaisesRegex(UserError, "bind it for other stages alone"):
            with_random_skips(TwoWindows(), (1, 5))


class TwoWindowsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((1, 100), (4, 130))
    def test_distances_have_the_density_that_falls_linearly_and_both_windows_fit(self, stride, available):
        starts, _ = _drawn(TwoWindows(), available, ViewShape(16, stride, 8))
        largest = available - 1 - 15 * stride
        self.assertAllInRange(starts, 0, largest)
        distances = np.abs(starts[:, 0] - starts[:, 1])
        m = largest + 1
        k = np.arange(m + 1)
        share_below = np.array([(distances < each).mean() for each in k])
        # Kolmogorov and Smirnov: 1.63 / sqrt(n) is passed by one draw of a hundred.
        self.assertAllLess(np.abs(share_below - (2 * k / m - (k / m) ** 2)), 1.63 / DRAWS**0.5)

    def test_the_first_window_is_anywhere_the_second_fits_and_either_comes_first(self):
        starts, _ = _drawn(TwoWindows(), 100)
        first, distance = starts.min(axis=1), np.abs(starts[:, 0] - starts[:, 1])
        places = (first + 0.5) / (85 - distance)  # Of those that fit, in the middle of its own.
        self.assertAllClose(places.mean(), 0.5, atol=4 * (1 / 12 / DRAWS) ** 0.5)
        self.assertAllClose(np.quantile(places, [0.25, 0.75]), [0.25, 0.75], atol=0.03)
        differ = distance > 0
        self.assertAllClose((starts[differ, 0] < starts[differ, 1]).mean(), 0.5, atol=4 * 0.5 / DRAWS**0.5)

    @parameterized.parameters(15, 9, 1)
    def test_windows_of_a_clip_too_short_begin_anywhere(self, available):
        starts, _ = _drawn(TwoWindows(), available)
        for view in range(2):
            shares = np.bincount(starts[:, view], minlength=available) / DRAWS
            self.assertAllClose(shares, np.full(available, 1 / available), atol=4.5 * 0.5 / DRAWS**0.5)
        if available > 1:
            self.assertLess(abs(np.corrcoef(starts.T)[0, 1]), 4.5 / DRAWS**0.5)

    def test_the_inverse_is_exact_at_its_ends(self):
        largest = np.nextafter(np.float32(1), np.float32(0))
        self.assertAllEqual(falling_distance(tf.constant(85), tf.constant([0.0, largest])), [0, 84])
        self.assertAllEqual(falling_distance(tf.constant(1), tf.constant([0.0, largest])), [0, 0])


class ClipTupleTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((24, 1), (11, 1), (24, 2))
    def test_three_clips_at_equal_distances_begin_wherever_they_fit(self, clip_stride, frame_stride):
        starts, carried = _drawn(ClipTuple(clip_stride, 0.0, 1), 130, ViewShape(16, frame_stride, 8))
        step = clip_stride * frame_stride
        self.assertAllEqual(starts - starts[:, :1], np.tile([0, step, 2 * step], (DRAWS, 1)))
        self.assertEqual(set(starts[:, 0]), set(range(130 - 2 * step - 15 * frame_stride)))
        self.assertFalse(carried["remote"].any())

    def test_a_remote_clip_is_in_the_video_and_sixteen_frames_away(self):
        starts, carried = _drawn(ClipTuple(24, 0.2, 1), 170)
        first, last, moved = starts[:, 0], starts[:, 2] + 15, starts[:, 1]
        before = set(range(170 - 64 + 1))
        self.assertEqual(set(first), before)
        remote = carried["remote"]
        has_room = (first >= 32) | (170 - 1 - last >= 32)
        self.assertAllEqual(moved[~remote], first[~remote] + 24)
        self.assertFalse(remote[~has_room].any())
        self.assertAllClose(remote[has_room].mean(), 0.2, atol=4 * (0.16 / has_room.sum()) ** 0.5)
        # Frames between the remote clip and the tuple.
        between = np.where(moved < first, first - (moved + 15) - 1, moved - last - 1)[remote]
        self.assertAllGreaterEqual(between, 16)
        self.assertEqual(between.min(), 16)
        self.assertAllInRange(moved, 0, 170 - 16)
        both = remote & (first >= 32) & (170 - 1 - last >= 32)
        self.assertAllClose((moved < first)[both].mean(), 0.5, atol=4 * 0.5 / both.sum() ** 0.5)

    @parameterized.parameters(64, 30, 1)
    def test_without_room_there_is_no_remote_clip_and_a_short_video_is_looped(self, available):
        starts, carried = _drawn(ClipTuple(24, 1.0, 1), available, count=20)
        self.assertFalse(carried["remote"].any())
        self.assertAllEqual(starts, np.tile([0, 24, 48], (20, 1)))

    def test_negatives_are_uniform_whatever_the_number_of_clips(self):
        _, carried = _drawn(ClipTuple(24, 0.2, 50), 170, count=1000)
        counts = np.bincount(carried["negatives"].ravel() % 7, minlength=7)
        self.assertAllClose(counts / 50000, np.full(7, 1 / 7), atol=4 * (6 / 49 / 50000) ** 0.5)
        chance = np.column_stack([carried["chance"], carried["negatives"][:, :2] / 2**31])
        self.assertAllClose(np.corrcoef(chance.T), np.eye(4), atol=4.5 / 1000**0.5)


class SharedFramesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        generator = np.random.default_rng(0)
        pictures = [cv2.resize(generator.integers(0, 256, (9, 14, 3), dtype=np.uint8), (70, 48)) for _ in range(12)]
        frames = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        clip = Clip("clip", "video", [0], ["a"], 0, 1, 25.0, 48, 70, frames, [*range(12)])
        self.clip = record_decoding.parse(tf.constant(clip_to_bytes(clip)))

    @parameterized.parameters(([0, 2, 5], 1), ([3, 3, 3], 2), ([0, 24, 48], 1), ([9, 11], 2))
    def test_views_are_to_the_bit_those_decoded_apart_but_each_frame_is_decoded_once(self, starts, stride):
        shape = ViewShape(num_frames=6, frame_stride=stride, crop_size=17)
        places = np.random.default_rng(1).random((len(starts), 2)).astype(np.float32)
        seen = []
        decode = record_decoding.decode

        def noting(clip, indices, window):
            seen.extend(indices.numpy())
            return decode(clip, indices, window)

        with mock.patch.object(record_decoding, "decode", noting):
            views = shape.at(self.clip, tf.constant(starts), tf.constant(places))
        indices = [[(start + stride * step) % 12 for step in range(6)] for start in starts]
        self.assertCountEqual(seen, set(itertools.chain(*indices)))
        for view, own, place in zip(views, indices, places, strict=True):
            window = random_window(tf.constant(48), tf.constant(70), 17, tf.constant(place))
            self.assertAllEqual(view, decode(self.clip, tf.constant(own), window))

    def test_views_at_strides_and_scales_of_their_own_are_those_cut_apart_and_resized(self):
        """Against Pillow, with which the authors resize; it rounds after each of two passes."""
        shape = ViewShape(num_frames=3, frame_stride=1, crop_size=20)
        starts, strides, scales = [0, 4, 1], [5, 1, 2], np.array([1.0, 0.5, 0.7], np.float32)
        places = np.random.default_rng(1).random((3, 2)).astype(np.float32)
        views = shape.at(self.clip, *map(tf.constant, (starts, places, strides, scales))).numpy()
        for view, (start, stride, scale, place) in enumerate(zip(starts, strides, scales, places, strict=True)):
            side = int(48 * float(scale))
            y, x, *_ = random_window(tf.constant(48), tf.constant(70), side, tf.constant(place)).numpy()
            for step in range(3):
                frame = record_decoding.decode(
                    self.clip, tf.constant([start + stride * step]), tf.constant([0, 0, 48, 70])
                )
                cut = PIL.Image.fromarray(frame.numpy()[0]).crop((x, y, x + side, y + side))
                expected = np.asarray(cut.resize((20, 20), PIL.Image.BILINEAR), np.int32)
                self.assertAllClose(views[view, step].astype(np.int32), expected, atol=1)
            alone = shape.at(self.clip, *map(tf.constant, ([start], [place], [stride], [scale])))
            self.assertAllEqual(alone[0], views[view])

    def test_random_views_are_drawn_as_one_is(self):
        firsts = np.random.default_rng(2).random(3).astype(np.float32)
        shape = ViewShape(num_frames=3, frame_stride=2, crop_size=8)
        drawn = RandomViews(3).draw(tf.constant(12), shape, tf.constant(firsts), tf.zeros([2], tf.int64))
        self.assertAllEqual(drawn.starts, np.floor(firsts * 8))
        self.assertEqual(drawn.carried, {})


if __name__ == "__main__":
    tf.test.main()
