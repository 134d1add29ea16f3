"""Times from containers' timestamps: a wrong stamp is wrong for its own frames, not for all that follow."""

import itertools
import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video.frame_times import frame_times
from spl_tf.data.video.reader import VideoReader, encode_frame

PERIOD_US = 40_000
CREEP = 0.001
START_TO_1000 = tuple(range(0, 1001, 40))


def times_ms(*stamps_ms):
    return [time / 1000 for time in frame_times([1000.0 * stamp for stamp in stamps_ms], PERIOD_US)]


class FrameTimesRuleTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(1 / 1000, 1 / 12_800, 1001 / 30_000, 1 / 90_000)
    def test_stamps_that_step_forward_are_believed(self, tick_seconds):
        steps = np.random.default_rng(0).choice([1, 2, 5, 40, 300, 1700], 500)
        ticks = np.concatenate([[7], 7 + np.cumsum(steps)])
        times = list(frame_times((ticks * tick_seconds * 1e6).tolist(), PERIOD_US))
        self.assertAllClose(times, (ticks - 7) * tick_seconds * 1e6, atol=0.51, rtol=0)

    def test_gaps_up_to_a_minute_are_real(self):
        self.assertEqual(times_ms(0, 40, 9000, 9040, 69_040, 69_060), [0, 40, 9000, 9040, 69_040, 69_060])

    def test_after_a_jump_and_its_return_times_creep_until_the_clock_has_caught_up(self):
        self.assertEqual(
            times_ms(0, 40, 400, 440, 160, 200, 240, 440, 480),
            [0, 40, 400, 440, *(440 + CREEP * step for step in (1, 2, 3, 4)), 480],
        )

    def test_a_jump_of_more_than_a_minute_and_its_return_cost_nothing(self):
        self.assertEqual(times_ms(0, 40, 4e9, 120, 160), [0, 40, 80, 120, 160])
        self.assertEqual(times_ms(0, 40, 4e9, 4e9 + 40, 200, 240), [0, 40, 80, 120, 200, 240])

    def test_two_jumps_and_returns(self):
        self.assertEqual(
            times_ms(0, 40, 400, 120, 480, 520, 900, 600, 640, 940),
            [0, 40, 400, 400 + CREEP, 480, 520, 900, 900 + CREEP, 900 + 2 * CREEP, 940],
        )

    def test_a_wrong_stamp_inside_a_real_gap(self):
        self.assertEqual(times_ms(0, 40, 9000, 5000, 9080, 9120), [0, 40, 9000, 9000 + CREEP, 9080, 9120])

    @parameterized.parameters(
        ((0, 40, 80), (0, 40, 80)),
        (START_TO_1000, START_TO_1000),
        (range(5000, 6001, 40), range(5400, 5801, 40)),  # Joined parts need not start at 0 ...
        (range(5000, 6001, 40), range(100, 401, 40)),
        ((0, 40, 9000, 9040), (0, 40, 80)),  # ... and may have gaps before the joint,
        (START_TO_1000, (0, 900, 940)),  # after it,
        ((0, 1000, 2000, 3000), range(0, 9001, 1000)),  # or everywhere.
    )
    def test_a_clock_that_starts_again_goes_on_after_the_usual_distance(self, part, other):
        first, second = np.array(part), np.array(other)
        expected = [*(first - first[0]), *(second - second[0] + first[-1] - first[0] + 40)]
        self.assertEqual(times_ms(*part, *other), expected)

    def test_a_jump_forward_by_more_than_a_minute_is_a_joint_where_the_clock_goes_on_from_there(self):
        self.assertEqual(times_ms(0, 40, 4e9, 4e9 + 50, 4e9 + 900), [0, 40, 80, 130, 980])

    def test_missing_stamps_get_the_usual_distance(self):
        self.assertEqual(times_ms(0, 0, 0, 0), [0, 40, 80, 120])
        self.assertEqual(times_ms(*START_TO_1000, 0), [*START_TO_1000, 1040])
        self.assertEqual(times_ms(*START_TO_1000, 0, 0, 0), [*START_TO_1000, 1040, 1080, 1120])
        self.assertEqual(times_ms(80, 120, 0, 0), [0, 40, 80, 120])

    def test_the_clock_goes_on_after_missing_stamps(self):
        self.assertEqual(times_ms(*START_TO_1000, 0, 0, 1120, 1160), [*START_TO_1000, 1040, 1080, 1120, 1160])
        self.assertEqual(times_ms(*START_TO_1000, 0, 4e9, 1120, 1160), [*START_TO_1000, 1040, 1080, 1120, 1160])
        self.assertEqual(times_ms(0, 40, 80, 80, 160), [0, 40, 80, 120, 160])
        self.assertEqual(times_ms(0, 40, 80, 80, 120, 160), [0, 40, 80, 120, 120 + CREEP, 160])

    def test_after_a_step_back_by_few_frames_times_creep(self):
        self.assertEqual(times_ms(0, 40, 80, 120, 60, 160), [0, 40, 80, 120, 120 + CREEP, 160])
        decoding_order = [0, 120, 40, 80, 240, 160, 200, 280]
        creeping = [0, 120, 120 + CREEP, 120 + 2 * CREEP, 240, 240 + CREEP, 240 + 2 * CREEP, 280]
        self.assertEqual(times_ms(*decoding_order), creeping)

    def test_one_wrong_stamp_anywhere_is_forgotten_as_soon_as_the_clock_has_caught_up(self):
        right = PERIOD_US * np.arange(40.0)
        generator = np.random.default_rng(1)
        for trial in range(2000):
            stamps, wrong = right.copy(), generator.integers(2, 38)
            stamps[wrong] = (0, generator.uniform(0, 3e6), generator.uniform(0, 1e9))[trial % 3]
            times = list(frame_times(stamps.tolist(), PERIOD_US))
            self.assertEqual(times[:wrong], right[:wrong].tolist())
            expected = np.maximum(right, times[wrong])[wrong + 1 :]
            self.assertAllClose(times[wrong + 1 :], expected, atol=PERIOD_US, rtol=0, msg=str(stamps))

    def test_times_increase_whatever_the_stamps(self):
        generator = np.random.default_rng(2)
        for _ in range(3000):
            stamps = generator.choice([-50, 0, 40, 80, 120, 160, 440, 900, 5000, 7e4, 1e6, 9e9], 12)
            times = times_ms(*stamps.tolist())
            self.assertEqual((times[0], len(times)), (0, 12))
            self.assertTrue(all(later > earlier for earlier, later in itertools.pairwise(times)), stamps)

    def test_each_time_is_given_before_the_next_stamp_is_asked_for(self):
        asked = []
        stamps = (asked.append(stamp) or stamp for stamp in (0.0, 40_000.0, 4e6, 80_000.0))
        for number, _ in enumerate(frame_times(stamps, PERIOD_US), 1):
            self.assertLen(asked, number)
        self.assertEmpty(list(frame_times([], PERIOD_US)))


class DamagedTimesTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _numbered(self, numbered_videos):
        self.numbered = numbered_videos

    @parameterized.parameters("ts", "mpg", "mp4", "mkv")
    def test_where_a_damaged_files_stamps_are_right_so_are_the_times(self, suffix):
        folder = pathlib.Path(self.create_tempdir().full_path)
        path = folder / f"v.{suffix}"
        self.numbered.write(path, 200, fourcc="mpg2")
        content = path.read_bytes()
        went_back = 0
        for seed in range(15):
            generator, damaged = np.random.default_rng(seed), bytearray(content)
            for start in generator.integers(len(content) // 10, len(content) * 8 // 10, 3):
                size = int(generator.choice([1, 4, 200]))
                damaged[start : start + size] = generator.bytes(size)
            path.write_bytes(damaged)
            reader, stamps = VideoReader(str(path)), self.stamps_us(path)
            times, numbers = [], []
            for time_us in reader:
                times.append(time_us)
                numbers.append(self.numbered.number(encode_frame(reader.pixels(), reader.height, reader.width, 95)))
            shown = PERIOD_US * np.array(numbers)
            creeps = np.diff(times, prepend=-PERIOD_US) == 1
            right = (abs(stamps - shown) <= PERIOD_US) & ~creeps
            self.assertAllClose(np.array(times)[right], shown[right], atol=PERIOD_US + 1, rtol=0, msg=f"seed {seed}")
            went_back += bool(np.any((np.diff(stamps) < 0) & (stamps[1:] > 0)))  # Not only a missing stamp.
        if (
            suffix != "mkv" or cv2.__version__ >= "5"
        ):  # As OpenCV 4.9 writes that, none of the damages turns a clock back.
            self.assertGreater(went_back, 0)

    def stamps_us(self, path):
        """What the container says, from the first frame."""
        capture, stamps = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), []
        while capture.grab():
            stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC) * 1000)
        return np.array(stamps) - stamps[0]
