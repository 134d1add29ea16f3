import math
import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building import cutting
from spl_tf.data.building.cutting import ClipFormat, Cut, cut_clips
from spl_tf.data.manifest import Video
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.workers import Failure

UCF6 = pathlib.Path(__file__).parents[3].parent / "shared/data/ucf6"


def numbered_frame(number, height=48, width=64):
    """The number in binary: 12 blocks of 16 x 16 pixels, black or white."""
    bits = [number >> bit & 1 for bit in range(12)]
    blocks = 255 * np.array(bits, np.uint8).reshape(3, 4)
    return np.repeat(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)[..., None], 3, axis=-1)


def number_of(jpeg):
    picture = cv2.resize(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0), (4, 3), interpolation=cv2.INTER_AREA)
    return sum(int(level > 127) << bit for bit, level in enumerate(picture.flat))


def write_numbered_video(path, num_frames, fps):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (64, 48))
    for number in range(num_frames):
        writer.write(numbered_frame(number))
    writer.release()


class FakeReader:
    """Frames that are their own number, at given times."""

    height, width = 48, 64

    def __init__(self, times_us, period_us):
        self._times_us = list(times_us)
        self.period_us = period_us
        self.converted = 0

    def __iter__(self):
        for number, time_us in enumerate(self._times_us):
            self._number = number
            yield time_us

    @property
    def shown_until_us(self):
        return self._times_us[self._number] + self.period_us

    def later(self):
        def pixels(number=self._number):
            self.converted += 1
            return numbered_frame(number)

        return pixels


class CuttingTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def video(self, num_frames=100, fps=25.0, start=0.0, end=math.inf):
        path = self.folder / f"{num_frames}-{fps}.mp4"
        if not path.exists():
            write_numbered_video(path, num_frames, fps)
        return Video(str(path), path.name, "v", (1,), ("b",), start, end, ("q",))

    @parameterized.parameters((30.0, 25.0), (12.0, 25.0), (25.0, 25.0), (29.97, 10.0), (24.0, 30.0))
    def test_every_frame_is_the_one_shown_at_its_moment(self, source_fps, fps):
        clips = list(cut_clips(self.video(90, source_fps), None, ClipFormat(1.0, fps, 48, 95)))
        self.assertLen(clips, int(90 / source_fps))
        for clip in clips:
            self.assertEqual(clip.end_us - clip.start_us, 1_000_000)
            for step, (jpeg, time_us) in enumerate(zip(clip.frames, clip.timestamps_us, strict=True)):
                self.assertAlmostEqual(time_us, clip.start_us + step * 1e6 / fps, delta=1)
                # The last source frame that began at this moment; 1 ms late is on time.
                self.assertEqual(number_of(jpeg), math.floor((time_us + 1000) / 1e6 * source_fps))

    def test_irregular_times_are_followed(self):
        generator = np.random.default_rng(0)
        times_us = np.concatenate([[0], np.cumsum(generator.choice([20_000, 40_000, 100_000, 700_000], size=60))])
        reader = FakeReader(times_us.tolist(), 40_000)
        targets = [step * 40_000 for step in range(10_000)]
        found = list(cutting._frames_at(reader, iter(targets), (48, 64), 95))
        self.assertLen(found, math.ceil((times_us[-1] + 40_000) / 40_000))
        for time_us, jpeg in found:
            expected = max(number for number, begin in enumerate(times_us) if begin <= time_us + 1000)
            self.assertEqual(number_of(jpeg), expected)

    def test_only_shown_frames_are_converted_and_none_is_read_after_the_last(self):
        reader = FakeReader(range(0, 300_000_000, 1_000_000), 1_000_000)
        found = list(cutting._frames_at(reader, iter([200_000_000, 201_000_000]), (48, 64), 95))
        self.assertEqual([number_of(jpeg) for _, jpeg in found], [200, 201])
        self.assertEqual(reader.converted, 2)

    def test_windows_follow_one_another_and_the_rest_is_dropped(self):
        clips = list(cut_clips(self.video(100), None, ClipFormat(1.2, 25.0, 48, 90)))
        self.assertEqual([clip.clip_id for clip in clips], ["v@0", "v@1200", "v@2400"])
        self.assertEqual([number_of(clip.frames[0]) for clip in clips], [0, 30, 60])
        self.assertEqual({len(clip.frames) for clip in clips}, {30})

    def test_a_video_shorter_than_a_window_is_one_short_clip(self):
        (clip,) = cut_clips(self.video(100), None, ClipFormat(10.0, 25.0, 48, 90))
        self.assertEqual((len(clip.frames), clip.start_us, clip.end_us), (100, 0, 4_000_000))

    def test_clip_seconds_zero_takes_the_whole_video(self):
        (clip,) = cut_clips(self.video(100), None, ClipFormat(0.0, 12.5, 24, 90))
        self.assertEqual([number_of(jpeg) for jpeg in clip.frames], list(range(0, 100, 2)))
        self.assertEqual((clip.height, clip.width, clip.end_us), (24, 32, 4_000_000))

    def test_only_the_interval_of_the_manifest_is_cut(self):
        clips = list(cut_clips(self.video(100, start=0.8, end=3.3), None, ClipFormat(1.0, 25.0, 48, 90)))
        self.assertEqual([number_of(clip.frames[0]) for clip in clips], [20, 45])
        self.assertEqual(clips[0].clip_id, "v@800")
        (short,) = cut_clips(self.video(100, start=2.0, end=2.4), None, ClipFormat(1.0, 25.0, 48, 90))
        self.assertEqual([number_of(jpeg) for jpeg in short.frames], list(range(50, 60)))

    def test_an_interval_of_which_the_video_shows_too_little_gives_no_clip(self):
        """The video ends at 4 s: after 0.5 s of 10, 0.85 of 1 and 0.95 of 1."""
        whole = ClipFormat(0.0, 25.0, 48, 90)
        for start, end, message in ((3.48, 13.48, r"\(0.5 of 10.0 s\)"), (3.16, 4.16, r"\(0.8 of 1.0 s\)")):
            with self.assertRaisesRegex(UnreadableError, f"shorter than its interval {message}"):
                list(cut_clips(self.video(100, start=start, end=end), None, whole))
        (almost,) = cut_clips(self.video(100, start=3.04, end=4.04), None, whole)
        self.assertEqual([number_of(jpeg) for jpeg in almost.frames], list(range(76, 100)))
        (rest,) = cut_clips(self.video(100, start=3.48), None, whole)  # No end is the video's end.
        self.assertLen(rest.frames, 13)
        (few,) = cut_clips(self.video(100, start=3.0, end=4.0), None, ClipFormat(0.0, 1.0, 48, 90))
        self.assertLen(few.frames, 1)

    def test_chosen_windows_are_the_same_clips_as_among_all(self):
        every = list(cut_clips(self.video(100), None, ClipFormat(0.4, 25.0, 48, 90)))
        chosen = list(cut_clips(self.video(100), (2, 7), ClipFormat(0.4, 25.0, 48, 90)))
        self.assertEqual(chosen, [every[2], every[7]])

    @parameterized.parameters(
        ({"start": 9.0}, None, "no frame in the interval"), ({}, (7,), "shorter than its packets say")
    )
    def test_a_video_without_a_clip_says_why(self, interval, windows, message):
        with self.assertRaisesRegex(UnreadableError, message):
            list(cut_clips(self.video(100, **interval), windows, ClipFormat(1.0, 25.0, 48, 90)))

    def test_an_image_is_a_clip_of_one_frame(self):
        path = self.folder / "i.png"
        cv2.imwrite(str(path), numbered_frame(77, 96, 128))
        (clip,) = cut_clips(
            Video(str(path), "i.png", "i", (0,), ("a",), 0.0, math.inf, ()), None, ClipFormat(10.0, 25.0, 48, 90)
        )
        self.assertEqual((clip.clip_id, clip.timestamps_us, clip.end_us, clip.frame_rate), ("i@0", [0], 0, 0.0))
        self.assertEqual((number_of(clip.frames[0]), clip.height, clip.width), (77, 48, 64))

    def test_spooled_clips_are_read_back(self):
        cut = Cut(self.video(100), None, ClipFormat(1.0, 25.0, 48, 90), str(self.folder / "spool"))
        spooled = cutting.spool_clips(cut)
        self.assertEmpty(spooled.notes)
        self.assertEqual(
            list(cutting.read_spool(cut.spool, spooled.count)), list(cut_clips(cut.video, None, cut.clip_format))
        )

    def test_a_worker_keeps_opencv_to_one_thread(self):
        self.addCleanup(cv2.setNumThreads, cv2.getNumThreads())
        cv2.setNumThreads(2)
        cutting.spool_clips(Cut(self.video(100), None, ClipFormat(1.0, 25.0, 48, 90), str(self.folder / "spool")))
        self.assertEqual(cv2.getNumThreads(), 1)

    def test_a_truncated_video_gives_the_clips_before_the_break_or_a_failure(self):
        whole = pathlib.Path(self.video(100).path).read_bytes()
        for share in (0.0, 0.1, 0.5, 0.9, 0.99):
            path = self.folder / "cut.mp4"
            path.write_bytes(whole[: int(share * len(whole))])
            cut = Cut(
                Video(str(path), "cut.mp4", "v", (0,), ("a",), 0.0, math.inf, ()),
                None,
                ClipFormat(0.4, 25.0, 48, 90),
                str(self.folder / "spool"),
            )
            result = cutting.spool_clips(cut)
            self.assertTrue(isinstance(result, Failure) or 1 <= result.count <= 10)

    def test_probing_clamps_to_the_interval_and_names_the_fault(self):
        self.assertEqual(cutting.probe(self.video(100, start=1.0, end=3.0)).duration_us, 2_000_000)
        self.assertEqual(cutting.probe(self.video(100, start=1.0)).duration_us, 3_000_000)
        self.assertEqual(cutting.probe(self.video(100, start=5.0)).duration_us, 0)
        path = self.folder / "t.mp4"
        path.write_text("hello")
        failure = cutting.probe(Video(str(path), "t.mp4", "t", (0,), ("a",), 0.0, math.inf, ()))
        self.assertEqual(failure, Failure("cannot be opened as a video", "(text)"))

    def test_real_videos_give_their_decoded_frames(self):
        if not UCF6.is_dir():
            self.skipTest("optional local data: no ucf6 videos")
        path = sorted((UCF6 / "web").glob("*.mp4"))[0]  # H.264 with B-frames, 25 fps
        capture = cv2.VideoCapture(str(path))
        frames = [capture.read()[1] for _ in range(130)]
        self.assertAlmostEqual(capture.get(cv2.CAP_PROP_FPS), 25.0)
        video = Video(str(path), path.name, "v", (0,), ("a",), 0.0, math.inf, ())
        clips = cut_clips(video, None, ClipFormat(2.56, 25.0, 120, 95))
        for first in (0, 64):
            clip = next(clips)
            for jpeg, frame in zip(clip.frames, frames[first : first + 64], strict=True):
                expected = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
                self.assertEqual(jpeg, expected)
