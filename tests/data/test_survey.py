import dataclasses
import pathlib
import shutil

import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import Shard, read_description
from spl_tf.data.record import clip_from_bytes, clip_to_bytes
from spl_tf.data.survey import survey

GOLDEN = pathlib.Path(__file__).parents[2] / "tfrecords_spec/golden"


def _contents(path):
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


class SurveyTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "D"
        shutil.copytree(GOLDEN, self.folder)
        self.dataset = read_description(self.folder)

    def _survey(self, most_clips=100):
        return survey(self.dataset, np.random.default_rng(0), most_clips=most_clips)

    def _write(self, records):
        """Makes the data set one shard of these records."""
        path = self.folder / "s.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
        shard = Shard("s", str(path), len(records), 0, 0, "", "")
        self.dataset = dataclasses.replace(self.dataset, shards=(shard,), num_clips=len(records))
        return path

    def _assert_heads(self, clips):
        seen = self._survey()
        self.assertEqual(seen.unreadable, 0)
        for head, clip in zip(sorted(seen.heads, key=lambda head: (head.shard, head.row)), clips, strict=True):
            self.assertEqual((head.video_id, list(head.labels)), (clip.video_id, clip.labels))
            self.assertEqual(head.num_frames, len(clip.frames))
            self.assertEqual((head.height, head.width), (clip.height, clip.width))
            self.assertEqual(round(head.seconds * 1e6), clip.end_us - clip.start_us)

    def test_a_head_says_what_the_whole_record_says(self):
        self._assert_heads(
            [clip_from_bytes(record) for shard in self.dataset.shards for record in _contents(shard.path)]
        )

    def test_a_long_context_and_one_behind_the_frames_are_read(self):
        first, second, _ = (record for shard in self.dataset.shards for record in _contents(shard.path))
        clip = clip_from_bytes(first)
        clip.queries = [f"query {number} " * 20 for number in range(100)]
        example = tf.train.SequenceExample.FromString(second)
        frames = tf.train.SequenceExample(feature_lists=example.feature_lists).SerializeToString()
        context = tf.train.SequenceExample(context=example.context).SerializeToString()
        self._write([clip_to_bytes(clip), frames + context])
        self._assert_heads([clip, clip_from_bytes(second)])

    def test_what_is_no_record_is_counted(self):
        good = _contents(self.dataset.shards[0].path)[0]
        self._write([good, b"hello", b"", good])
        seen = self._survey()
        self.assertEqual([head.row for head in seen.heads], [0, 3])
        self.assertEqual(seen.unreadable, 2)

    def test_nothing_behind_a_cut_is_read(self):
        good = _contents(self.dataset.shards[0].path)[0]
        path = self._write([good] * 4)
        path.write_bytes(path.read_bytes()[: 2 * (len(good) + 16) + 100])
        seen = self._survey()
        self.assertEqual([head.row for head in seen.heads], [0, 1])
        self.assertEqual(seen.unreadable, 2)

    def test_whole_shards_are_read_until_enough_clips_were_seen(self):
        self.assertEqual((self._survey(3).num_shards, len(self._survey(3).heads)), (2, 3))
        self.assertEqual(self._survey(1).num_shards, 1)


if __name__ == "__main__":
    tf.test.main()
