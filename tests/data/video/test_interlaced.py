"""Interlaced videos are seen by their headers, and never become clips of pictures that are none of theirs."""

import math
import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.cutting import ClipFormat, cut_clips
from spl_tf.data.manifest import Video
from spl_tf.data.video.interlaced import cannot_convert_fields, is_interlaced
from spl_tf.data.video.reader import UnreadableError

# A moving test pattern: ffmpeg -f lavfi -i testsrc2=size=64x48:rate=20:duration=0.5 -vf tinterlace=interleave_top
#   -c:v libx264 (mpeg2video) -flags +ilme+ildct -r 25; the progressive one without -vf and -flags.
_VIDEOS = pathlib.Path(__file__).parent / "videos"
_FILES = (("h264", "interlaced_h264.mp4"), ("mpeg2", "interlaced_mpeg2.mpg"))


class InterlacedTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.named_parameters(*_FILES)
    def test_headers_of_interlaced_streams_are_told(self, name):
        self.assertTrue(is_interlaced(str(_VIDEOS / name)))

    def test_a_progressive_h264_stream_is_not(self):
        self.assertFalse(is_interlaced(str(_VIDEOS / "progressive_h264.mp4")))

    @parameterized.parameters(("mp4v", "mp4"), ("MJPG", "avi"), ("mpg1", "mpg"), ("mpg2", "mpg"))
    def test_other_progressive_ones_are_not(self, codec, ending):
        path = pathlib.Path(self.create_tempdir().full_path) / f"v.{ending}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, (64, 48))
        if not writer.isOpened():
            self.skipTest(f"OpenCV has no encoder of {codec}")
        for shade in range(0, 250, 25):
            writer.write(np.full((48, 64, 3), shade, np.uint8))
        writer.release()
        self.assertFalse(is_interlaced(str(path)))

    @parameterized.named_parameters(*_FILES)
    def test_their_clips_move_or_there_are_none(self, name):
        video = Video(str(_VIDEOS / name), name, name, (0,), ("pattern",), 0.0, math.inf, ())
        clip_format = ClipFormat(clip_seconds=0, fps=25, short_side=48, jpeg_quality=90)
        try:
            (clip,) = cut_clips(video, None, clip_format)
        except UnreadableError as error:
            self.assertTrue(cannot_convert_fields())
            self.assertEqual(error.kind, "interlaced video")
        else:
            self.assertGreater(len(set(clip.frames)), 1)


if __name__ == "__main__":
    tf.test.main()
