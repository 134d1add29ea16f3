"""Clip times are right to one frame: the frames say their number, whatever codec, container and rate."""

import math
import struct

import numpy as np
from absl.testing import parameterized

from spl_tf.data.building.cutting import ClipFormat, cut_clips
from spl_tf.data.manifest import Video
from tests.data.video.numbered_case import NumberedCase

# The cutter takes a frame that is 1 ms late for one on time, and containers round to 1 ms.
_SLACK_US = 2000


def _with_steps(content, steps):
    """An MP4 file whose frame i is shown for steps[i] ticks of its time scale; its index lies behind the frames."""
    table = struct.pack(">4s2I", b"stts", 0, len(steps)) + b"".join(struct.pack(">2I", 1, step) for step in steps)
    table = struct.pack(">I", len(table) + 4) + table
    where = content.index(b"stts") - 4
    old = struct.unpack_from(">I", content, where)[0]
    changed = bytearray(content[:where] + table + content[where + old :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        size = content.index(box) - 4
        struct.pack_into(">I", changed, size, struct.unpack_from(">I", content, size)[0] + len(table) - old)
    return bytes(changed).replace(b"edts", b"free")  # The edit list ends the video at its old length.


def _ticks_per_second(content):
    return struct.unpack_from(">I", content, content.index(b"mdhd") + 16)[0]


class FrameTimesTest(NumberedCase):
    def cut(self, path, *, windows=None, fps=25.0, start=0.0, end=math.inf):
        video = Video(str(path), path.name, "v", (0,), ("a",), start, end, ())
        return list(cut_clips(video, windows, ClipFormat(1.0, fps, 48, 95)))

    def assert_shown(self, clips, begins_us):
        """Every frame is the last one that had begun at its time."""
        for clip in clips:
            for jpeg, time_us in zip(clip.frames, clip.timestamps_us, strict=True):
                number = self.numbered.number(jpeg)
                first, last = np.searchsorted(begins_us, [time_us - _SLACK_US, time_us + _SLACK_US], "right") - 1
                self.assertBetween(number, max(first, 0), last, f"{clip.clip_id} at {time_us} us")

    @parameterized.product(
        source=[("mpg2", "mp4"), ("mpg2", "mkv"), ("mpg2", "ts"), ("mp4v", "mp4"), ("MJPG", "avi"), ("VP80", "webm")],
        rate=[24_000 / 1001, 30_000 / 1001, 50.0],
    )
    def test_constant_rates(self, source, rate):
        fourcc, suffix = source  # MPEG-2 has two B-frames between the others.
        path = self.folder / f"v.{suffix}"
        self.numbered.write(path, 160, rate, fourcc)
        begins_us = np.arange(160) / rate * 1e6
        clips = self.cut(path)
        self.assertLen(clips, int(160 / rate))
        self.assert_shown(clips, begins_us)
        start, end = 30.5 / rate, 140 / rate
        clips = self.cut(path, fps=10.0, start=start, end=end)
        self.assertLen(clips, int((end - start) * 10) // 10)
        self.assertEqual(clips[0].start_us, round(start * 1e6))
        self.assert_shown(clips, begins_us)

    def test_b_frames_are_stored_out_of_their_order(self):
        self.numbered.write(self.folder / "v.mp4", 30, 25.0, "mpg2")
        self.assertIn(b"ctts", (self.folder / "v.mp4").read_bytes())  # Only frames out of order need it.

    @parameterized.parameters(0, 1, 2)
    def test_a_variable_rate(self, seed):
        path = self.folder / "v.mp4"
        self.numbered.write(path, 120)
        content = path.read_bytes()
        seconds = np.random.default_rng(seed).choice(
            [0.02, 0.033, 0.04, 0.1, 0.7, 2.5], 120, p=[0.3, 0.2, 0.3, 0.1, 0.05, 0.05]
        )
        steps = np.round(seconds * _ticks_per_second(content)).astype(int)
        path.write_bytes(_with_steps(content, steps.tolist()))
        begins_us = np.concatenate([[0], np.cumsum(steps)[:-1]]) / _ticks_per_second(content) * 1e6
        clips = self.cut(path)
        self.assertGreater(len(clips), begins_us[-1] / 1e6 - 1)
        self.assert_shown(clips, begins_us)
        middle = begins_us[60] / 1e6
        self.assert_shown(self.cut(path, start=middle, end=middle + 2.0), begins_us)

    @parameterized.parameters(("mpg2", "mp4"), ("MJPG", "avi"))
    def test_windows_far_into_a_video(self, fourcc, suffix):
        path = self.folder / f"v.{suffix}"
        self.numbered.write(path, 4000, 30_000 / 1001, fourcc)
        clips = self.cut(path, windows=(3, 100, 131))
        self.assertEqual([clip.start_us for clip in clips], [3_000_000, 100_000_000, 131_000_000])
        self.assert_shown(clips, np.arange(4000) * 1001 / 30_000 * 1e6)
