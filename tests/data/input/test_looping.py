"""That clips are looped is said once, with their true share."""

import pathlib

import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.clip import Clip
from spl_tf.data.dataset import ClipDataset, Shard
from spl_tf.data.input.looping import tell_of_looping
from spl_tf.data.input.view_samplers import ClipTuple
from spl_tf.data.input.views import ViewShape
from spl_tf.data.record import clip_to_bytes
from spl_tf.errors import UserError


class LoopingTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tmp_path):
        self.color_shards, self.folder = color_shards, pathlib.Path(tmp_path)

    def _dataset(self, lengths_of_shards):
        """Shards of clips of these many frames; the frames are never decoded."""
        shards, start = [], 0
        for number, lengths in enumerate(lengths_of_shards):
            path = self.folder / f"web-{number:05d}.tfrecord"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for row, length in enumerate(lengths):
                    frames, times = [b"jpeg"] * length, [*range(length)]
                    clip = Clip(f"{number}@{row}", str(number), [], [], 0, 1, 10.0, 32, 32, frames, times)
                    writer.write(clip_to_bytes(clip))
            shards.append(Shard(path.stem, str(path), len(lengths), start, path.stat().st_size, "", ""))
            start += len(lengths)
        options = {"num_videos": 1, "clips_per_class": {"a": start}, "clip_seconds": 0.0, "fps": 10.0, "short_side": 32}
        options |= {"jpeg_quality": 90, "multi_label": False, "rejected": {}}
        return ClipDataset(str(self.folder), ("a",), tuple(shards), start, **options)

    def _told(self, dataset, num_frames, frame_stride, spread=0):
        with self.assertLogs("absl", "WARNING") as logs:
            tell_of_looping(dataset, ViewShape(num_frames, frame_stride, 28), spread)
        (line,) = logs.output
        return line

    @parameterized.parameters(
        (16, 500, 5, 100, "7,501"),
        (4, 20, 3, 60, "61"),  # 60 frames are one too few, 61 just enough.
        (61, 1, 3, 60, "61"),
        (2, 63, 4, 80, "64"),
    )
    def test_the_share_is_that_of_clips_shorter_than_a_view_reaches(self, num_frames, stride, count, share, reach):
        line = self._told(self._dataset([[64, 60], [], [10, 61, 7]]), num_frames, stride)
        self.assertIn(f"{self.folder}: {count} of 5 clips ({share} %) are shorter than the {reach} frames that ", line)
        self.assertIn(f"num_frames = {num_frames} at a stride of {stride} reach over (their median is 60)", line)

    def test_a_tuple_of_views_reaches_from_the_first_to_the_end_of_the_last(self):
        """PCL's three clips of 4 frames that begin 8 drawn frames apart take 20; every third frame, 58 stored ones."""
        spread, dataset = ClipTuple(8, 0.2, 16).spread, self._dataset([[64, 57], [58, 19, 20]])
        line = self._told(dataset, 4, 3, spread)
        self.assertIn("3 of 5 clips (60 %) are shorter than the 58 frames that num_frames = 4 at", line)
        self.assertIn("a stride of 3, in views of which the last begins 16 drawn frames after the first,", line)
        self.assertIn("1 of 5 clips (20 %) are shorter than the 20 frames", self._told(dataset, 4, 1, spread))

    def test_of_many_clips_some_from_everywhere_are_looked_at(self):
        """The clips of the second half of the shards are short; one shard holds most clips."""
        lengths = [[64] * 3] * 20 + [[8] * 3] * 19 + [[8] * 100]
        self.assertIn("27 of 48 clips looked at (56 %)", self._told(self._dataset(lengths), 2, 20))
        self.assertIn(
            "44 of 48 clips looked at (92 %)", self._told(self._dataset([[8] * 100, [9] * 4, [64] * 4]), 2, 10)
        )

    def test_nothing_is_said_of_clips_that_are_long_enough_and_of_single_frames(self):
        for lengths, view in (
            ([[64, 61]], ViewShape(16, 4, 28)),
            ([[1, 1]], ViewShape(1, 500, 28)),
            ([[]], ViewShape(9, 9, 9)),
        ):
            with self.assertNoLogs("absl", "WARNING"):
                tell_of_looping(self._dataset(lengths), view)

    def test_a_damaged_record_is_the_user_s_to_mend(self):
        dataset = self._dataset([[64, 61]])
        path = pathlib.Path(dataset.shards[0].path)
        path.write_bytes(path.read_bytes()[:-20])
        with self.assertRaisesRegex(UserError, "a record of .* can't be read"):
            tell_of_looping(dataset, ViewShape(2, 2, 28))


if __name__ == "__main__":
    tf.test.main()
