"""Clips around events stay inside the video; clips of Background keep away from events and from each other."""

import itertools

import tensorflow as tf
from absl.testing import parameterized

from tools.soccernet.clips import Half, around, background_clips

FIRST, SECOND = Half("a", 1, "a/1.mkv", 1_800_000), Half("a", 2, "a/2.mkv", 1_800_000)


class ClipsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        (50_000, 100_000, (45_000, 55_000)),
        (2_000, 100_000, (0, 10_000)),
        (100_000, 100_000, (90_000, 100_000)),
        (5_000, 7_500, (0, 7_500)),
    )
    def test_a_clip_at_an_end_of_the_video_is_moved_inside(self, time_ms, length_ms, expected):
        self.assertEqual(around(time_ms, 10_000, length_ms), expected)

    @parameterized.product(distance=(30_000, 5_000, 0), seed=(0, 1))
    def test_background_fills_the_room_at_its_distance_from_events(self, distance, seed):
        moments = {FIRST: [40_000, 100_000, 333_000, 95_000, 700_000, 1_790_000], SECOND: []}
        clips = background_clips(moments, 10_000, distance, 1000, seed)
        expected = 0
        for half, times in moments.items():
            found = sorted((clip.start_ms, clip.end_ms) for clip in clips if clip.half == half)
            self.assertTrue(all(start >= 0 and end == start + 10_000 <= half.length_ms for start, end in found))
            for (start, end), moment in itertools.product(found, times):
                self.assertTrue(end <= moment - distance or start >= moment + distance, (start, moment))
            self.assertTrue(all(end <= start for (_, end), (start, _) in itertools.pairwise(found)))
            edges = [-distance, *sorted(times), half.length_ms + distance]
            expected += sum(max(0, (b - a - 2 * distance) // 10_000) for a, b in itertools.pairwise(edges))
        self.assertLen(clips, expected)

    def test_every_half_gives_a_clip_before_another_gives_its_second(self):
        halves = [Half(str(number), 1, "v", 600_000) for number in range(20)]
        clips = background_clips(dict.fromkeys(halves, ()), 10_000, 0, 50, 0)
        counts = sorted(sum(clip.half == half for clip in clips) for half in halves)
        self.assertEqual(counts, [2] * 10 + [3] * 10)

    def test_what_is_drawn_depends_on_names_and_seed_only(self):
        drawn = background_clips({FIRST: [40_000], SECOND: []}, 10_000, 30_000, 9, 0)
        self.assertEqual(background_clips({SECOND: [], FIRST: [40_000]}, 10_000, 30_000, 9, 0), drawn)
        self.assertNotEqual(background_clips({FIRST: [40_000], SECOND: []}, 10_000, 30_000, 9, 1), drawn)
        few = background_clips({FIRST: [40_000], SECOND: []}, 10_000, 30_000, 4, 0)
        self.assertEqual(few, drawn[:4])

    def test_no_clip_has_room_between_close_events(self):
        self.assertEmpty(background_clips({FIRST: range(0, 1_800_001, 60_000)}, 10_000, 30_000, 9, 0))


if __name__ == "__main__":
    tf.test.main()
