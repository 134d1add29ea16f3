"""A clip from the middle of a long video: jumping to it gives the same bits as reading up to it, and decodes little."""

import contextlib
import math
import pathlib
import subprocess
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.cutting import ClipFormat, cut_clips
from spl_tf.data.manifest import Video
from spl_tf.data.video import seeking
from spl_tf.data.video.reader import UnreadableError, VideoReader
from tools.ucf6 import encoding

# Optional local data: H.264 with B-frames.
_UCF6 = pathlib.Path(__file__).parents[3].parent / "shared/data/ucf6/web"

FPS = 25.0
FORMAT = ClipFormat(clip_seconds=0.0, fps=25.0, short_side=48, jpeg_quality=90)


class CountingCapture:
    """A cv2.VideoCapture that counts the frames asked for and the seeks."""

    def __init__(self, path, *arguments):
        self._capture = _VIDEO_CAPTURE(path, *arguments)
        self.grabs = self.seeks = 0
        CountingCapture.opened.append(self)

    def __getattr__(self, name):
        return getattr(self._capture, name)

    def grab(self):
        self.grabs += 1
        return self._capture.grab()

    def set(self, *arguments):
        self.seeks += 1
        return self._capture.set(*arguments)


_VIDEO_CAPTURE = cv2.VideoCapture


@contextlib.contextmanager
def counted():
    CountingCapture.opened = []
    with mock.patch.object(cv2, "VideoCapture", CountingCapture):
        yield CountingCapture.opened


class TimedCapture:
    """Stands in for a capture of frames at the given milliseconds, whose jumps land `late` frames behind the aim."""

    def __init__(self, stamps_ms, late=0, count=None):
        self._stamps, self._late, self._position = np.array(stamps_ms), late, -1
        self._count = len(stamps_ms) if count is None else count
        self.aims_ms = []

    def grab(self):
        self._position += 1
        return self._position < len(self._stamps)

    def get(self, property_id):
        return float(self._stamps[self._position]) if property_id == cv2.CAP_PROP_POS_MSEC else self._count

    def set(self, property_id, aim_ms):
        self.aims_ms.append(aim_ms)
        # The next frame to be grabbed.
        self._position = int(np.searchsorted(self._stamps, aim_ms, "right")) - 2 + self._late
        return True


class SeekingTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _numbered(self, numbered_videos):
        self.numbered = numbered_videos

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def clips(self, path, start, end):
        """The clips of an interval, and the capture they were cut from."""
        with counted() as opened:
            clips = list(cut_clips(Video(str(path), path.name, "v", (0,), ("a",), start, end, ()), None, FORMAT))
        return clips, opened[-1]

    def clips_from_the_first_frame(self, path, start, end):
        with mock.patch.object(seeking, "can_jump", return_value=False):
            return self.clips(path, start, end)

    @parameterized.parameters(
        ("v.mp4", "mp4v", True), ("v.mkv", "mp4v", True), ("j.mkv", "MJPG", True), ("j.avi", "MJPG", False)
    )
    def test_a_jump_gives_the_same_bits_and_decodes_few_frames(self, name, fourcc, jumps):
        path = self.folder / name
        self.numbered.write(path, 1500, fps=FPS, fourcc=fourcc)
        for start, end in ((20.0, 21.0), (33.33, 35.0), (59.0, math.inf)):
            clips, capture = self.clips(path, start, end)
            expected, slow = self.clips_from_the_first_frame(path, start, end)
            self.assertEqual(clips, expected)
            self.assertEqual(self.numbered.number(clips[0].frames[0]), math.floor(start * FPS + 0.025))
            num_frames = len(clips[0].frames)
            self.assertEqual((capture.seeks, slow.seeks), (int(jumps), 0))
            self.assertGreater(slow.grabs, start * FPS)
            if jumps:  # The first frame, five seconds ahead of the clip, the clip and what tells its end.
                self.assertLessEqual(capture.grabs, 1 + 5 * FPS + num_frames + 3)

    def test_windows_from_the_middle_are_the_same_as_among_all(self):
        path = self.folder / "v.mkv"
        self.numbered.write(path, 1000, fps=FPS)
        video = Video(str(path), path.name, "v", (0,), ("a",), 0.0, math.inf, ())
        two_seconds = ClipFormat(2.0, 25.0, 48, 90)
        every = list(cut_clips(video, None, two_seconds))
        self.assertEqual(list(cut_clips(video, (14, 18), two_seconds)), [every[14], every[18]])

    @parameterized.named_parameters(
        ("b_frames", "mkv", "bframes=3:keyint=250", ()),
        ("open_groups", "mkv", "open-gop=1:keyint=50:bframes=8", ()),
        ("no_key_frames", "mp4", "keyint=infinite", ()),
        ("late_first_stamp", "mkv", "keyint=50", ("-output_ts_offset", "7.3")),
        ("late_first_stamp_and_edit_list", "mp4", "keyint=50", ("-output_ts_offset", "7.3")),
        (
            *("variable_rate", "mp4", "keyint=50"),
            ("-vf", "select='if(lt(mod(t,20),10),1,not(mod(n,23)))'", "-fps_mode", "vfr"),
        ),
    )
    def test_h264_gives_the_same_bits(self, suffix, x264, options):
        ffmpeg = encoding.find_ffmpeg()
        if ffmpeg is None:
            self.skipTest("no ffmpeg with libx264 on PATH")
        source, path = self.folder / "source.avi", self.folder / f"v.{suffix}"
        self.numbered.write(source, 1125, fps=FPS, fourcc="MJPG")
        command = [ffmpeg, "-v", "error", "-i", source, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", x264]
        subprocess.run([*command, *options, path], check=True, stdin=subprocess.DEVNULL)
        for start, end in ((21.0, 22.0), (30.0, 33.0), (39.99, 41.0), (44.0, math.inf)):
            clips, _ = self.clips(path, start, end)
            self.assertEqual(clips, self.clips_from_the_first_frame(path, start, end)[0])

    def test_real_videos_give_the_same_bits(self):
        if not _UCF6.is_dir():
            self.skipTest(f"no videos in {_UCF6}")
        compared = 0
        for path in sorted(_UCF6.glob("*.mp4")):
            with contextlib.closing(VideoReader(str(path))) as reader:
                long_enough = reader.duration_us() > 14_000_000
            if not long_enough:
                continue
            with mock.patch.object(seeking, "FAR_US", 10_000_000):
                clips, capture = self.clips(path, 12.3, 13.3)
            self.assertEqual(capture.seeks, 1)
            self.assertEqual(clips, self.clips_from_the_first_frame(path, 12.3, 13.3)[0])
            compared += 1
            if compared == 5:
                return
        self.assertGreater(compared, 0)

    def test_an_interval_has_the_frames_of_its_length_wherever_it_begins(self):
        path = self.folder / "v.mkv"
        self.numbered.write(path, 900, fps=FPS)
        for start in np.random.default_rng(0).integers(0, 34_000, 20):  # Milliseconds; no binary fraction is exact.
            clips, _ = self.clips(path, start / 1000, (start + 1000) / 1000)
            self.assertEqual([len(clip.frames) for clip in clips], [25])

    def test_near_moments_are_read_up_to(self):
        path = self.folder / "v.mp4"
        self.numbered.write(path, 600, fps=FPS)
        _, capture = self.clips(path, 19.9, 20.4)
        self.assertEqual(capture.seeks, 0)

    def test_a_start_behind_the_end_says_so(self):
        path = self.folder / "v.mp4"
        self.numbered.write(path, 100, fps=FPS)
        with self.assertRaisesRegex(UnreadableError, "no frame in the interval"):
            self.clips(path, 50.0, 60.0)

    @parameterized.parameters(b"RIFF\0\0\0\0AVI ", b"\x47\x40\x00\x10", b"\0\0\x01\xba", b"OggS", b"FLV\1", b"")
    def test_other_containers_are_not_jumped_in(self, head):
        path = self.folder / "v"
        path.write_bytes(head + bytes(20) if head else b"")
        self.assertFalse(seeking.can_jump(str(path), 10**9))

    def test_a_landing_is_told_by_the_containers_times(self):
        stamps = 7000.0 + 40 * np.arange(3000)
        capture = TimedCapture(stamps)
        self.assertEqual(seeking.jump_before(capture, 60_000_000), (7_000_000.0, 62_000_000.0))
        self.assertEqual(capture.aims_ms, [62_000.0])

    def test_a_jump_that_lands_too_late_is_made_from_further_ahead(self):
        stamps = 40.0 * np.arange(5000)
        capture = TimedCapture(stamps, late=200)  # Eight seconds.
        self.assertEqual(seeking.jump_before(capture, 100_000_000), (0.0, 93_000_000.0))
        self.assertEqual(capture.aims_ms, [95_000.0, 85_000.0])

    def test_where_no_jump_lands_before_the_moment_the_file_is_read_from_its_first_frame(self):
        self.assertIsNone(seeking.jump_before(TimedCapture(40.0 * np.arange(9000), late=1600), 100_000_000))
        self.assertIsNone(seeking.jump_before(TimedCapture(40.0 * np.arange(9000), count=0), 100_000_000))
        self.assertIsNone(seeking.jump_before(TimedCapture([]), 100_000_000))
        path = self.folder / "v.mp4"
        self.numbered.write(path, 600, fps=FPS)
        with counted() as opened, mock.patch.object(seeking, "jump_before", return_value=None):
            reader = VideoReader(str(path))
            reader.start_before(22_000_000)
            self.assertEqual(list(reader), [40_000 * number for number in range(600)])
        self.assertLen(opened, 2)

    def test_a_reader_goes_on_from_where_it_landed(self):
        path = self.folder / "v.mp4"
        self.numbered.write(path, 600, fps=FPS)
        reader = VideoReader(str(path))
        reader.start_before(22_000_000)
        times = []
        for time_us in reader:
            times.append(time_us)
            if time_us == 23_000_000:
                self.assertEqual(self.numbered.number(cv2.imencode(".jpg", reader.pixels())[1].tobytes()), 575)
        self.assertEqual(times, [40_000 * number for number in range(425, 600)])


if __name__ == "__main__":
    tf.test.main()
