"""Times of frames in containers that tell them in their own way."""

import math
import pathlib
from fractions import Fraction

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building import cutting
from spl_tf.data.manifest import Video
from spl_tf.data.video.reader import VideoReader
from tests.data.video import rendering

B_FRAMES = {"bf": "8", "b_strategy": "0"}


class FrameOrderTest(parameterized.TestCase, tf.test.TestCase):
    def write(self, name, **options):
        path = pathlib.Path(self.create_tempdir().full_path) / name
        rendering.write_numbered(path, 60, **options)
        return path

    @parameterized.parameters("a.avi", "a.mxf", "a.mkv", "a.ts")
    def test_b_frames_are_shown_in_their_order(self, name):
        reader = VideoReader(str(self.write(name, options=B_FRAMES)))
        found = [(time_us - reader.start_us, rendering.number_of(reader.pixels())) for time_us in reader]
        reader.close()
        self.assertLen(found, 60)
        self.assertEqual([number for _, number in found], list(range(60)))
        self.assertAllClose([time_us for time_us, _ in found], [40_000 * number for number in range(60)], atol=1000)
        self.assertEqual(reader.repaired_times, 0)

    @parameterized.parameters("a.mkv", "a.webm", "a.ts")
    def test_a_video_whose_clock_begins_late_is_not_short(self, name):
        options = {"codec": "libvpx"} if name == "a.webm" else {}
        path = self.write(name, stamps=[number + 1000 for number in range(60)], time_base=Fraction(1, 25), **options)
        probed = cutting.probe(Video(str(path), name, "v", (0,), ("a",), 0.0, math.inf, ()))
        self.assertEmpty(probed.notes)
        self.assertAllClose(probed.duration_us, 2_400_000, atol=90_000)


if __name__ == "__main__":
    tf.test.main()
