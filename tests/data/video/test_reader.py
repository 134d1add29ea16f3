import pathlib
import struct
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video import reader
from spl_tf.data.video.reader import UnreadableError, VideoReader


def write_video(path, frames, fps=25.0, fourcc="mp4v"):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), fps, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()


def grey(level, height=48, width=64):
    return np.full((height, width, 3), level, np.uint8)


class StampedCapture:
    """Stands in for cv2.VideoCapture: frames with the given timestamps in milliseconds."""

    def __init__(self, stamps_ms, fps=25.0, frame_count=0):
        self._stamps = stamps_ms
        self._position = -1
        self._properties = {
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FRAME_COUNT: frame_count,
            cv2.CAP_PROP_FRAME_HEIGHT: 48,
            cv2.CAP_PROP_FRAME_WIDTH: 64,
        }

    def isOpened(self):  # noqa: N802
        return True

    def grab(self):
        self._position += 1
        return self._position < len(self._stamps)

    def get(self, property_id):
        if property_id == cv2.CAP_PROP_POS_MSEC:
            return self._stamps[self._position]
        return self._properties[property_id]


class VideoTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def reader_with_stamps(self, *arguments, **keywords):
        path = self.folder / "any.mp4"
        path.write_bytes(b"any")
        with mock.patch.object(cv2, "VideoCapture", return_value=StampedCapture(*arguments, **keywords)):
            return VideoReader(str(path))

    @parameterized.parameters(("mp4v", "mp4"), ("MJPG", "avi"))
    def test_reads_times_sizes_and_frames(self, fourcc, suffix):
        path = self.folder / f"v.{suffix}"
        write_video(path, [grey(20 * number) for number in range(12)], fps=12.0, fourcc=fourcc)
        reader = VideoReader(str(path))
        self.assertEqual((reader.height, reader.width), (48, 64))
        self.assertAllClose(reader.duration_us(), 1_000_000, atol=10)
        levels, times = [], []
        for time_us in reader:
            times.append(time_us)
            levels.append(reader.pixels().mean())
        self.assertAllClose(times, np.arange(12) / 12 * 1e6, atol=10)
        self.assertAllClose(levels, 20 * np.arange(12), atol=4)
        reader.close()

    def test_times_start_at_the_first_frame_and_keep_a_variable_rate(self):
        reader = self.reader_with_stamps([7000.0, 7020.0, 7520.0, 7560.0])
        self.assertEqual(list(reader), [0, 20_000, 520_000, 560_000])

    def test_times_increase_where_the_containers_stand_still_run_back_or_jump(self):
        self.assertEqual(list(self.reader_with_stamps([0.0] * 4)), [0, 40_000, 80_000, 120_000])
        reader = self.reader_with_stamps([0.0, 40.0, 95_000_000.0, 95_000_030.0, 0.0, 50.0])
        self.assertEqual(list(reader), [0, 40_000, 80_000, 110_000, 150_000, 200_000])

    @parameterized.parameters((float("nan"), 40_000), (0.0, 40_000), (90_000.0, 40_000), (50.0, 20_000))
    def test_the_usual_distance_stands_in_for_an_absurd_rate(self, fps, period_us):
        self.assertEqual(self.reader_with_stamps([0.0], fps=fps).period_us, period_us)

    def test_the_length_is_the_headers_or_found_by_reading(self):
        self.assertEqual(self.reader_with_stamps([0.0], frame_count=75).duration_us(), 3_000_000)
        self.assertEqual(self.reader_with_stamps([0.0, 500.0], frame_count=-9e15).duration_us(), 540_000)
        self.assertEqual(self.reader_with_stamps([], frame_count=0).duration_us(), 0)

    def test_honours_the_rotation_flag(self):
        path = self.folder / "v.mp4"
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, :32] = 255  # Left half white: turned clockwise by 90 degrees, the upper half is.
        write_video(path, [picture] * 5)
        content = path.read_bytes()
        matrix = content.index(b"tkhd") + 44
        turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
        path.write_bytes(content[:matrix] + turned + content[matrix + 36 :])
        reader = VideoReader(str(path))
        next(iter(reader))
        frame = reader.pixels()
        self.assertEqual((reader.height, reader.width), (64, 48))
        self.assertEqual(frame.shape, (64, 48, 3))
        self.assertGreater(frame[:28].mean(), 240)
        self.assertLess(frame[36:].mean(), 15)

    @parameterized.named_parameters(
        ("text", b"hello\n" * 100, "cannot be opened as a video"),
        ("playlist", b"#EXTM3U\n#EXTINF:10,\nother.mp4\n", "cannot be opened as a video"),
        ("noise", bytes(range(256)) * 50, "cannot be opened as a video"),
    )
    def test_names_why_a_file_is_no_video(self, content, message):
        path = self.folder / "v.mp4"
        path.write_bytes(content)
        with self.assertRaisesRegex(UnreadableError, message):
            VideoReader(str(path))

    def test_names_a_vanished_file(self):
        with self.assertRaisesRegex(UnreadableError, r"cannot be read \(No such file"):
            VideoReader(str(self.folder / "none.mp4"))

    @parameterized.parameters((480, 640, 256, (256, 341)), (640, 480, 256, (341, 256)), (24, 24, 96, (96, 96)))
    def test_the_short_side_is_met_and_the_aspect_kept(self, height, width, short_side, expected):
        self.assertEqual(reader.scaled_size(height, width, short_side), expected)

    def test_refuses_a_size_no_jpeg_file_can_have(self):
        with self.assertRaisesRegex(UnreadableError, r"unusable size \(4000x3\)"):
            reader.scaled_size(3, 4000, 256)

    def test_shrinks_by_the_mean_over_areas(self):
        noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
        noise = np.repeat(np.repeat(noise[::8, ::8], 8, axis=0), 8, axis=1)
        jpeg = reader.encode_frame(noise, 12, 16, 100)
        means = noise.reshape(12, 8, 16, 8, 3).mean(axis=(1, 3))
        expected = cv2.imdecode(cv2.imencode(".jpg", np.round(means), [cv2.IMWRITE_JPEG_QUALITY, 100])[1], 1)
        self.assertAllEqual(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1), expected)

    def test_enlarges_a_small_frame(self):
        picture = cv2.imdecode(np.frombuffer(reader.encode_frame(grey(90, 10, 20), 48, 96, 90), np.uint8), 1)
        self.assertEqual(picture.shape, (48, 96, 3))
        self.assertAllClose(picture.mean(), 90, atol=1)
