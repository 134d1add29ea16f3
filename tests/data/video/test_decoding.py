"""Every frame at its time, in every kind of file, and the same bits wherever reading began."""

import contextlib
import itertools
import math
import pathlib
from fractions import Fraction
from unittest import mock

import av
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.cutting import ClipFormat, cut_clips
from spl_tf.data.building.damage import Note
from spl_tf.data.manifest import Video
from spl_tf.data.video import reader as reader_module
from spl_tf.data.video.reader import VideoReader
from tests.data.video.rendering import number_of, write_numbered

B_FRAMES = {"preset": "ultrafast", "bf": "3", "g": "25", "b_strategy": "0"}
_H264 = {"codec": "libx264", "options": B_FRAMES}
FILES = (
    ("v.mp4", _H264),
    ("v.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
    ("v.mkv", _H264),
    ("f.mkv", {"codec": "ffv1"}),
    ("v.webm", {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    ("h.mp4", {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none"}}),
    ("v.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    ("j.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    ("v.ts", _H264),
    ("v.mpg", {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}}),
    ("v.flv", {"codec": "flv"}),
    ("v.wmv", {"codec": "wmv2"}),
    ("v.ogv", {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    ("v.gif", {"codec": "gif", "pixel_format": "rgb8"}),
    ("v.mxf", {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}}),
    ("v.h264", _H264),
)
_FORMAT = ClipFormat(1.0, 25.0, 120, 95)


def row(path, start=0.0, end=math.inf):
    return Video(str(path), path.name, "v", (0,), ("a",), start, end, ())


def from_the_first_frame():
    return mock.patch.object(reader_module, "_FAR_US", math.inf)


class DecodingTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.parameters(*FILES)
    def test_all_frames_come_in_order_at_their_times(self, name, options):
        path = self.folder / name
        write_numbered(path, 60, **options)
        with contextlib.closing(VideoReader(str(path))) as reader:
            found = [(time_us, number_of(reader.pixels())) for time_us in reader]
            self.assertEqual([number for _, number in found], list(range(60)))
            self.assertAllClose([time_us for time_us, _ in found], 40_000 * np.arange(60) + reader.start_us, atol=500)
            self.assertAllClose(reader.duration_us(), 2_400_000 + reader.start_us, atol=1000)
            self.assertBetween(reader.start_us, 0, 80_000)  # Of streams with B-frames and no edit list.
            self.assertEqual(reader.errors_us, [])
            self.assertEqual(reader.repaired_times, 59 if name == "v.h264" else 0)  # A bare stream has no times.

    @parameterized.named_parameters(
        ("mp4", "v.mp4", B_FRAMES, True),
        ("mkv", "v.mkv", B_FRAMES, True),
        ("open_groups", "v.mkv", B_FRAMES | {"x264-params": "open-gop=1"}, True),
        ("no_key_frames", "v.mp4", {"preset": "ultrafast", "g": "100000"}, False),
        ("ts", "v.ts", B_FRAMES, False),
    )
    def test_a_jump_gives_the_same_bits(self, name, options, few):
        path = self.folder / name
        write_numbered(path, 1200, options=options, size=(64, 48))
        for start, end in ((21.0, 22.0), (39.99, 41.0), (46.5, math.inf)):
            clips = list(cut_clips(row(path, start, end), None, _FORMAT))
            with from_the_first_frame():
                self.assertEqual(clips, list(cut_clips(row(path, start, end), None, _FORMAT)))
        with contextlib.closing(VideoReader(str(path))) as reader:
            reader.start_before(40_000_000)
            read = len(list(itertools.takewhile(lambda time_us: time_us < 40_000_000, reader)))
            self.assertBetween(read, 125, 160 if few else 1000)  # Five seconds and a group ahead.

    def test_a_variable_rate_and_a_held_picture(self):
        """Times in milliseconds; the picture before the last is held for 70 s."""
        steps = np.random.default_rng(0).choice([20, 33, 40, 100, 700], 80)
        stamps = np.concatenate([[0], np.cumsum(steps)])
        stamps[-1] += 70_000
        for name in ("v.mp4", "v.mkv"):
            path = self.folder / name
            options = {"stamps": stamps.tolist(), "time_base": Fraction(1, 1000)}
            write_numbered(path, 81, options=B_FRAMES, rate=1000, **options)
            with contextlib.closing(VideoReader(str(path))) as reader:
                self.assertAllClose([time_us - reader.start_us for time_us in reader], stamps * 1000, atol=500)
            held = stamps[-2] / 1000 + 35
            (clip,) = cut_clips(row(path, held, held + 1), None, _FORMAT)
            self.assertEqual({number_of(jpeg) for jpeg in clip.frames}, {79})

    def test_negative_times_begin_before_the_file_does(self):
        path = self.folder / "v.mkv"
        write_numbered(path, 50, options=B_FRAMES, stamps=range(-10, 40), time_base=Fraction(1, 25))
        with contextlib.closing(VideoReader(str(path))) as reader:
            found = [(time_us, number_of(reader.pixels())) for time_us in reader]
        self.assertEqual([number for _, number in found], list(range(50)))
        self.assertAllClose(np.diff([time_us for time_us, _ in found]), np.full(49, 40_000), atol=1000)

    def test_a_file_without_an_index_is_read_from_its_first_frame(self):
        path = self.folder / "v.mkv"
        write_numbered(path, 1000, options=B_FRAMES, size=(64, 48))
        seek = mock.patch.object(reader_module, "_LEAD_US", -5_000_000)  # As if each landing were too late.
        with contextlib.closing(VideoReader(str(path))) as reader:
            with seek:
                reader.start_before(22_000_000)
            self.assertLen(list(reader), 1000)

    def test_a_video_that_changes_its_size_is_scaled_to_its_first_and_noted(self):
        parts = []
        for name, size in (("a.h264", (64, 48)), ("b.h264", (128, 96))):
            write_numbered(self.folder / name, 30, options=B_FRAMES, size=size)
            parts.append((self.folder / name).read_bytes())
        path, notes = self.folder / "v.h264", []
        path.write_bytes(b"".join(parts))
        clips = list(cut_clips(row(path), None, ClipFormat(0.4, 25.0, 48, 95), notes.append))
        self.assertEqual([number_of(jpeg) for clip in clips for jpeg in clip.frames], [*range(30), *range(30)])
        self.assertIn(Note("changes its size", "(64x48, 128x96)"), notes)

    def test_joined_files_go_on_from_each_other(self):
        """As recorders join transport streams, whose clock begins again."""
        write_numbered(self.folder / "a.ts", 50, options=B_FRAMES)
        path = self.folder / "v.ts"
        path.write_bytes(2 * (self.folder / "a.ts").read_bytes())
        with contextlib.closing(VideoReader(str(path))) as reader:
            found = [(time_us, number_of(reader.pixels())) for time_us in reader]
            self.assertEqual([number for _, number in found], [*range(50), *range(50)])
            steps = np.diff([time_us for time_us, _ in found])
            self.assertAllClose(np.delete(steps, 49), np.full(98, 40_000), atol=100)
            self.assertBetween(steps[49], 1, 100_000)
            self.assertAllClose(reader.duration_us(), found[-1][0] + 40_000, atol=100_000)

    def test_two_readings_are_equal_and_conversion_may_come_later(self):
        path = self.folder / "v.mp4"
        write_numbered(path, 40, options=B_FRAMES)
        with contextlib.closing(VideoReader(str(path))) as reader:
            now, later = zip(*((reader.pixels(), reader.later()) for _ in reader), strict=True)
        self.assertAllEqual(now, [convert() for convert in later])

    @parameterized.parameters(False, True)
    def test_how_many_frames_are_decoded_in_turn_changes_nothing(self, damaged):
        """Neither errors and times, nor where the first of the fields stands that are joined."""
        path = self.folder / "v.mkv"
        fields = {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}, "interlaced": lambda number: number > 20}
        write_numbered(path, 60, **_H264 if damaged else fields)
        if damaged:
            content = np.fromfile(path, np.uint8)
            content[content.size // 3 :: content.size // 6] ^= 64
            content.tofile(path)
        found = []
        for count in (1, 3, 8):
            turns = mock.patch.object(reader_module, "frames_in_turn", lambda height, width, count=count: count)
            with turns, contextlib.closing(VideoReader(str(path))) as reader:
                number = number_of if not damaged else np.shape
                frames = [(time_us, reader.shown_until_us, number(reader.pixels())) for time_us in reader]
                found.append((frames, reader.errors_us, reader.sizes))
        self.assertEqual(bool(found[0][1]), damaged)
        self.assertEqual(found[1:], [found[0]] * 2)

    def test_frames_are_those_of_ffmpegs_own_filter(self):
        path = self.folder / "v.mp4"
        write_numbered(path, 10, options=B_FRAMES, size=(161, 121), pixel_format="yuv444p")
        graph = av.filter.Graph()
        with av.open(str(path)) as container, contextlib.closing(VideoReader(str(path))) as reader:
            source = graph.add_buffer(template=container.streams.video[0])
            graph.link_nodes(source, graph.add("format", "bgr24"), graph.add("buffersink")).configure()
            for frame, _ in zip(container.decode(video=0), reader, strict=True):
                graph.push(frame)
                difference = graph.pull().to_ndarray().astype(int) - reader.pixels()
                self.assertLessEqual(abs(difference).max(), 1)


if __name__ == "__main__":
    tf.test.main()
