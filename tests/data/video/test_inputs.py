"""Files that went wrong with a decoder before this one: rendered, 160x120, blocks spell the number of a frame."""

import contextlib
import csv
import io
import math
import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.cutting import ClipFormat, cut_clips
from spl_tf.data.building.shards import summary, write_shards
from spl_tf.data.manifest import Video
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.reader import VideoReader

_INPUTS = pathlib.Path(__file__).parent / "inputs"


def number_of(picture):
    """Ten blocks of 22 x 24 pixels in two rows, the lowest bit first."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    blocks = [grey[top + 6 : top + 18, 28 + 22 * column : 38 + 22 * column] for top in (24, 72) for column in range(5)]
    return sum(int(block.mean() > 127) << bit for bit, block in enumerate(blocks))


def numbers(clip):
    return [number_of(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)) for jpeg in clip.frames]


class InputsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def cut(self, name, start=0.0, end=math.inf, seconds=1.0, short_side=120):
        video = Video(str(_INPUTS / name), name, "v", (0,), ("a",), start, end, ())
        return list(cut_clips(video, None, ClipFormat(seconds, 25.0, short_side, 95)))

    def shards(self, names, **options):
        rows = [["path", "label"], *([str(_INPUTS / name), "a"] for name in names)]
        with open(self.folder / "m.csv", "w", newline="") as opened:
            csv.writer(opened).writerows(rows)
        options = {"clip_seconds": 1.0, "fps": 25.0, "short_side": 120, "workers": 1, "keep_duplicates": True} | options
        with contextlib.redirect_stderr(io.StringIO()):
            dataset = write_shards(self.folder / "m.csv", self.folder / "D", classes=("a",), **options)
        notes, rejected = (self._rows(name) for name in ("notes.csv", "rejected.csv"))
        return dataset, notes, rejected

    def _rows(self, name):
        with open(self.folder / "D" / name, newline="") as opened:
            return [tuple(row.values()) for row in csv.DictReader(opened)]

    @parameterized.parameters("xvid_fields.avi", "ffv1_fields.mkv", "interlaced_h264.mp4", "interlaced_mpeg2.mpg")
    def test_interlaced_video_moves_and_two_readings_are_equal(self, name):
        (clip,), (again,) = (self.cut(name, seconds=0.0, short_side=48) for _ in range(2))
        self.assertEqual(clip, again)
        self.assertGreater(len(set(clip.frames)), len(clip.frames) // 2)

    def test_frames_on_both_sides_of_damage_are_used_and_it_is_listed(self):
        for name, frames in (("noise.mp4", 486), ("noise.avi", 296)):
            with contextlib.closing(VideoReader(str(_INPUTS / name))) as reader:
                self.assertLen([*reader], frames)
        dataset, notes, _ = self.shards(["noise.mp4"], clip_seconds=2.0)
        self.assertEqual((dataset.num_clips, dataset.notes), (10, {"damaged": 1}))
        ((_, video_id, label, note),) = notes
        self.assertEqual((video_id, label), ("noise", "a"))
        self.assertRegex(note, r"damaged \(30 packets, from 4.9 s on, seen in noise@4000 \d+, noise@6000 \d+\)")
        self.assertIn("used in spite of faults 1 (damaged 1): see notes.csv", summary(dataset))

    @parameterized.parameters("slide70s.mp4", "slide70s.mkv")
    def test_a_picture_held_for_a_minute_is_held(self, name):
        for start, first in ((15, 249), (30, 249), (60, 249), (85, 375), (100, 750)):
            (clip,) = self.cut(name, start, start + 1)
            self.assertAllClose(numbers(clip)[0], first, atol=0, msg=str(start))
            self.assertEqual(len(set(numbers(clip))), 1 if first == 249 else 25)

    def test_what_an_edit_list_hides_is_in_no_quota(self):
        dataset, *_ = self.shards(["last5of40.mp4"], clips_per_class=2)
        self.assertEqual(dataset.num_clips, 2)
        self.assertEqual([numbers(clip)[0] for clip in self.cut("last5of40.mp4")], [875, 900, 925, 950, 975])

    def test_pixels_become_square(self):
        (clip,) = self.cut("dvd_16x9.mp4")
        self.assertEqual((clip.height, clip.width), (120, 213))
        picture = cv2.imdecode(np.frombuffer(clip.frames[0], np.uint8), 0).astype(int)
        inside = abs(picture - int(picture[2, 2])) > 60
        height, width = np.ptp(np.flatnonzero(inside.any(axis=1))), np.ptp(np.flatnonzero(inside.any(axis=0)))
        self.assertAllClose(height, width, atol=3)  # It shows a circle.

    def test_av1_is_decoded(self):
        (first, second) = self.cut("av1.mp4")
        self.assertEqual(numbers(first) + numbers(second), list(range(50)))
        dataset, *_ = self.shards(["av1.mp4", "h264.mp4"], clips_per_class=6)
        self.assertEqual(dataset.num_clips, 6)

    def test_times_are_those_of_the_file_where_the_picture_begins_after_the_sound(self):
        """The picture begins 3.023 s after the sound."""
        with contextlib.closing(VideoReader(str(_INPUTS / "picture_at_3s.mkv"))) as reader:
            self.assertEqual(reader.start_us, 3_023_000)
        (clip, *_) = self.cut("picture_at_3s.mkv", 10, 12)
        self.assertEqual(numbers(clip)[0], 174)  # Shown from 9.983 to 10.023 s.
        (event,) = self.cut("picture_at_3s.mkv", 23.04, 33.04, seconds=0.0)
        self.assertBetween(len(event.frames), 249, 250)
        self.assertEqual(self.cut("picture_at_3s.mkv")[0].clip_id, "v@3023")

    def test_sound_with_a_cover_is_no_video(self):
        with self.assertRaisesRegex(UnreadableError, r"holds no video \(sound with a cover, mov\)"):
            VideoReader(str(_INPUTS / "sound.m4a"))


if __name__ == "__main__":
    tf.test.main()
