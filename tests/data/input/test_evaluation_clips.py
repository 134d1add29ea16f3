import collections
import dataclasses
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data import record_decoding
from spl_tf.data.input.pipeline import evaluation_clips
from spl_tf.errors import UserError

OPTIONS = {"batch_size": 4, "num_frames": 3, "frame_stride": 2, "crop_size": 16}


class EvaluationClipsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _readable(self, readable_shards):
        self.readable = readable_shards

    def _dataset(self, sizes=(5, 0, 4, 6), **options):
        return self.readable.write(self.create_tempdir().full_path, sizes, **options)

    def _stream(self, dataset, **options):
        batches = list(evaluation_clips(dataset, **(OPTIONS | options)).as_numpy_iterator())
        return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}

    def test_every_record_comes_once_in_order_and_padding_weighs_nothing(self):
        stream = self._stream(self._dataset())
        self.assertAllEqual(stream["weights"], [1] * 15 + [0])
        self.assertAllEqual(stream["shard"], [0] * 5 + [2] * 4 + [3] * 6 + [3])
        self.assertAllEqual(stream["row"], [*range(5), *range(4), *range(6), 5])
        self.assertAllEqual(stream["view"], [0] * 16)
        indices = [*range(15), 14]
        self.assertAllEqual(stream["labels"], [b"%d" % (index % 3) for index in indices])
        self.assertEqual(stream["clip_id"].tolist(), [b"clip%d" % index for index in indices])
        self.assertEqual(stream["video_id"].tolist(), [b"video%d" % (index // 3) for index in indices])
        self.assertAllEqual(stream["clips"][-1], stream["clips"][-2])

    def test_batches_can_begin_anew_at_every_shard(self):
        dataset = self._dataset()
        batches = list(evaluation_clips(dataset, **OPTIONS, num_views=2, batch_over_shards=False).as_numpy_iterator())
        self.assertEqual([np.unique(batch["shard"]).tolist() for batch in batches], [[0]] * 3 + [[2]] * 2 + [[3]] * 3)
        self.assertEqual([int(batch["weights"].sum()) for batch in batches], [4, 4, 2, 4, 4, 4, 4, 4])
        self.assertAllEqual(batches[2]["row"], [4] * 4)
        self.assertAllEqual(batches[2]["view"], [0, 1, 1, 1])
        alone = list(evaluation_clips(dataset, **OPTIONS, num_views=2, shards=[3], batch_over_shards=False))
        self.assertAllEqual([batch["clips"] for batch in alone], [batch["clips"] for batch in batches[5:]])

    @parameterized.parameters((4, 4), (15, 1), (5, 3), (16, 1), (64, 1))
    def test_every_batch_is_full_and_their_number_is_known(self, batch_size, batches):
        clips = evaluation_clips(self._dataset(), **(OPTIONS | {"batch_size": batch_size}))
        self.assertLen(clips, batches)
        weights = [batch["weights"] for batch in clips]
        self.assertAllEqual(np.shape(weights), (batches, batch_size))
        self.assertAllEqual(np.sum(weights), 15)

    def test_single_view_is_the_middle_of_time_and_space(self):
        stream = self._stream(self._dataset(num_frames=lambda index: 12 + index % 3))
        for index, cut in enumerate(self.readable.cut(stream["clips"][:15])):
            start = (12 + index % 3 - 5) // 2
            self.assertEqual(cut, ([start, start + 2, start + 4], 4, 8, False))

    def test_every_view_has_its_crops_along_the_long_side(self):
        """Of pictures of 24 x 32 pixels a window of 16 has 16 columns of room, and the middle of 8 rows."""
        stream = self._stream(self._dataset(), num_views=2, num_crops=3)
        self.assertAllEqual(stream["view"][:90], [*range(6)] * 15)
        cuts = self.readable.cut(stream["clips"][:6])
        self.assertEqual([numbers[0] for numbers, *_ in cuts], [0, 0, 0, 7, 7, 7])
        self.assertEqual([(y, x) for _, y, x, _ in cuts], [(4, 0), (4, 8), (4, 16)] * 2)

    def test_views_are_spaced_over_the_clip(self):
        stream = self._stream(self._dataset(), num_views=3)
        self.assertAllEqual(stream["view"][:45], [0, 1, 2] * 15)
        self.assertAllEqual(stream["row"][:9], [0, 0, 0, 1, 1, 1, 2, 2, 2])
        starts = [numbers[0] for numbers, *_ in self.readable.cut(stream["clips"][:45])]
        self.assertEqual(starts, [0, 4, 7] * 15)  # 8 starts: 0, 3.5 rounded up, 7.
        self.assertAllEqual(stream["weights"], [1] * 45 + [0] * 3)

    def test_short_clips_are_looped(self):
        stream = self._stream(self._dataset(sizes=(4,), num_frames=lambda index: 3), num_frames=4, num_views=2)
        for numbers, *_ in self.readable.cut(stream["clips"]):
            self.assertEqual(numbers, [0, 2, 1, 0])

    def test_chosen_shards_are_read_alone(self):
        dataset = self._dataset()
        stream = self._stream(dataset, shards=[3, 0])
        self.assertAllEqual(stream["shard"], [3] * 6 + [0] * 6)
        self.assertEqual(stream["clip_id"].tolist()[:2], [b"clip9", b"clip10"])
        self.assertEmpty(list(evaluation_clips(dataset, shards=[1], **OPTIONS)))
        self.assertEmpty(list(evaluation_clips(dataset, shards=[], **OPTIONS)))

    def test_first_rows_of_each_shard_can_be_read_alone(self):
        stream = self._stream(self._dataset(), shards=[0, 1, 3], rows_per_shard=2, num_views=2)
        self.assertAllEqual(stream["shard"], [0] * 4 + [3] * 4)
        self.assertAllEqual(stream["row"], [0, 0, 1, 1] * 2)
        self.assertAllEqual(stream["weights"], [1] * 8)

    def test_a_record_is_parsed_once_for_all_its_views(self):
        parsed = []

        def parse(serialized, *form):
            parsed_clip = record_decoding_parse(serialized, *form)
            tf.py_function(lambda clip_id: parsed.append(clip_id.numpy()), [parsed_clip.clip_id], [])
            return parsed_clip

        record_decoding_parse = record_decoding.parse
        with mock.patch.object(record_decoding, "parse", parse):
            self._stream(self._dataset(), num_views=3)
        self.assertCountEqual(parsed, [b"clip%d" % index for index in range(15)])

    def test_two_replicas_see_every_clip_once(self):
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        seen = collections.Counter()
        for batch in strategy.experimental_distribute_dataset(evaluation_clips(self._dataset(), **OPTIONS)):
            ids = strategy.experimental_local_results(batch["clip_id"])
            weights = strategy.experimental_local_results(batch["weights"])
            for clip_id, weight in zip(np.concatenate(ids), np.concatenate(weights), strict=True):
                seen[clip_id] += int(weight)
        self.assertEqual(seen, {b"clip%d" % index: 1 for index in range(15)})

    def test_shard_with_fewer_records_than_described_is_an_error(self):
        dataset = self._dataset(sizes=(5, 4))
        shards = (dataset.shards[0], dataclasses.replace(dataset.shards[1], records=6))
        with self.assertRaises(tf.errors.FailedPreconditionError):
            self._stream(dataclasses.replace(dataset, shards=shards))

    @parameterized.parameters(
        ({"crop_size": 25}, "crop_size = 25 is larger"),
        ({"num_views": 0}, "num_views = 0: must be at least 1"),
        ({"batch_size": 0}, "batch_size = 0: must be at least 1"),
    )
    def test_mistakes_are_named_at_once(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            evaluation_clips(self._dataset(sizes=(1,)), **(OPTIONS | options))
