"""Class-aware sampling against visits made one by one; its stream resumed, shared by hosts, with views of its own."""

import collections
import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.blocks import BlockPlanner
from spl_tf.data.input.class_aware import class_aware_draws, visits
from spl_tf.data.input.order import BlockOrder, permutation
from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.input.targets import TrainingTargets, join_targets
from spl_tf.errors import UserError
from spl_tf.labels.targets import SingleLabels, distributions
from tests.labels.several import several_labels

OPTIONS = {"seed": 3, "num_frames": 3, "frame_stride": 2, "crop_size": 16, "block_shards": 2, "class_aware": True}
SEVERAL = [[0], [0], [0, 1], [0], [0, 2], [0], [0], [], [1], [0, 1, 2], [0]]


class VisitsTest(parameterized.TestCase):
    @parameterized.parameters(0, 1, 7)
    def test_they_are_those_of_classes_in_turn_and_of_a_class_s_clips_in_turn(self, seed):
        pairs = [(clip, label) for clip, own in enumerate(SEVERAL) for label in own]
        draws = visits(*np.array(pairs).T, len(SEVERAL), seed)
        turns = permutation(3, seed, 0, 0, 1)
        lists = {label: [clip for clip, own in pairs if own == label] for label in range(3)}
        left = {label: [] for label in range(3)}
        rounds = collections.Counter()
        stream = []
        for visit in range(8 * len(SEVERAL)):
            label = int(turns[visit % 3])
            if not left[label]:
                order = permutation(len(lists[label]), seed, label, rounds[label], 2)
                left[label] = [lists[label][place] for place in order]
                rounds[label] += 1
            stream.append(left[label].pop(0))
        for epoch in (0, 3, 7, 1):
            own = stream[epoch * len(SEVERAL) : (epoch + 1) * len(SEVERAL)]
            self.assertEqual(draws(epoch).tolist(), np.bincount(own, minlength=len(SEVERAL)).tolist())

    def test_single_labels_are_equally_frequent_and_none_comes_again_before_its_whole_class(self):
        labels = np.repeat(np.arange(6), (400, 90, 7, 2, 1, 0))
        draws = visits(np.arange(500), labels, 500, 4)
        total = np.zeros(500, int)
        for epoch in range(9):
            own = np.bincount(labels, draws(epoch), 5)
            self.assertEqual(own.sum(), 500)
            self.assertLessEqual(own.max() - own.min(), 1)
            total += draws(epoch)
            for label in range(5):
                self.assertLessEqual(np.ptp(total[labels == label]), 1)

    def test_clips_of_a_class_are_drawn_uniformly(self):
        labels = np.array([0] * 8 + [1] * 4)
        first = np.array([visits(np.arange(12), labels, 12, seed)(0) for seed in range(2000)])
        self.assertLess(np.abs(first.mean(axis=0) - np.array([6 / 8] * 8 + [6 / 4] * 4)).max(), 5 * 0.5 / 2000**0.5)


class StreamTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _readable(self, readable_shards):
        self.readable = readable_shards

    def setUp(self):
        super().setUp()
        self.dataset = self.readable.write(self.create_tempdir().full_path, (4, 3, 4), labels=SEVERAL.__getitem__)

    def _batches(self, count, **options):
        clips = training_clips(self.dataset, join_targets(self.dataset, None, "several"), **OPTIONS, **options)
        return list(clips.take(count).as_numpy_iterator())

    def _assert_same(self, batches, expected):
        for batch, other in zip(batches, expected, strict=True):
            for key in other:
                self.assertAllEqual(batch[key], other[key], msg=key)

    def test_an_epoch_is_what_was_drawn_and_every_draw_has_a_view_of_its_own(self):
        draws = class_aware_draws(self.dataset, join_targets(self.dataset, None, "several"), 3)
        batches = self._batches(3, batch_size=11)
        for epoch, batch in enumerate(batches):
            self.assertAllEqual(np.bincount(batch["index"], minlength=11), draws(epoch))
            self.assertAllEqual(batch["labels"], [[label in SEVERAL[i] for label in range(3)] for i in batch["index"]])
        self.assertGreater(draws(0).max(), 1)
        self.assertEqual(draws(0)[7], 0)
        colors = np.concatenate([batch["color"] for batch in batches])
        self.assertLen(np.unique(colors, axis=0), 33)

    def test_the_first_draw_of_a_clip_has_the_view_of_the_plain_order(self):
        aware, plain = self._batches(1, batch_size=11)[0], {}
        for row in training_clips(
            self.dataset, join_targets(self.dataset, None, "several"), batch_size=11, **OPTIONS | {"class_aware": False}
        ).take(1):
            plain = dict(zip(row["index"].numpy().tolist(), row["clips"].numpy(), strict=True))
        seen = set()
        for index, clip in zip(aware["index"].tolist(), aware["clips"], strict=True):
            if index not in seen:
                self.assertAllEqual(clip, plain[index])
            seen.add(index)

    def test_a_stream_that_begins_at_a_step_is_the_tail_of_the_whole(self):
        whole = self._batches(8, batch_size=4)
        for step in (2, 5):
            self._assert_same(self._batches(8 - step, batch_size=4, start_step=step), whole[step:])

    def test_shares_of_two_hosts_make_up_each_batch(self):
        whole = self._batches(6, batch_size=4, lanes=2)
        hosts = [self._batches(6, batch_size=4, host=host, num_hosts=2) for host in range(2)]
        joined = [{key: np.concatenate([one[key], two[key]]) for key in one} for one, two in zip(*hosts, strict=True)]
        self._assert_same(joined, whole)

    def _targets(self, table, form="several"):
        rows = [np.flatnonzero(table.kept[shard.start :][: shard.records]) for shard in self.dataset.shards]
        return TrainingTargets(form, ("a", "b", "c"), rows, np.zeros(3), table)

    def test_labels_of_side_cars_decide_where_there_are_some(self):
        single = SingleLabels(np.array([0, 1, -1, 0, 0, 0, -1, 0, 0, 0, 2], np.int32))
        several = several_labels([None if label < 0 else [label] for label in single.labels], [[1]] + [[]] * 10)
        for table, form in ((single, "single"), (several, "several")):
            drawn = class_aware_draws(self.dataset, self._targets(table, form), 0)(0)
            self.assertAllEqual(np.bincount(single.labels[single.kept], drawn, 3), [3, 3, 3])
        shares = distributions(np.full((11, 3), 1 / 3))
        with self.assertRaisesRegex(UserError, "class_aware needs labels, not a distribution"):
            class_aware_draws(self.dataset, self._targets(shares, "distribution"), 0)
        with self.assertRaisesRegex(UserError, "no clip has a label, so training_clips.class_aware can visit none"):
            class_aware_draws(self.dataset, self._targets(several_labels([[]] * 11)), 0)

    def test_every_position_finds_its_block(self):
        draws = class_aware_draws(self.dataset, join_targets(self.dataset, None, "several"), 3)
        order = BlockOrder([9, 9, 9], [4, 3, 4], 3, 20, 2, draws)
        blocks = list(itertools.chain(*(order.epoch(epoch) for epoch in range(3))))
        self.assertEqual(sum(block.clips for block in blocks), 33)
        for position in range(33):
            expected = [block for block in blocks if block.first <= position < block.first + block.clips]
            self.assertEqual([order.block_at(position)], expected)

    @parameterized.parameters(1, 2, 3)
    def test_a_clip_that_two_lanes_draw_is_shown_in_other_views(self, lanes):
        draws = class_aware_draws(self.dataset, join_targets(self.dataset, None, "several"), 3)
        rows = [np.arange(shard.records) for shard in self.dataset.shards]
        order = BlockOrder([9, 9, 9], [len(own) for own in rows], 3, 20, 2, draws, lanes=lanes)
        for epoch in range(9):
            shown = []
            for lane in range(lanes):
                planner = BlockPlanner(dataclasses.replace(order, lane=lane), self.dataset.shards, rows)
                for block in planner.order.epoch(epoch):
                    plan = planner.block_plan(block, block.first)
                    shown += zip(plan["index"].tolist(), plan["repeats"].tolist(), strict=True)
            expected = [(clip, time) for clip, times in enumerate(draws(epoch)) for time in range(times)]
            self.assertCountEqual(shown, expected)


if __name__ == "__main__":
    tf.test.main()
