import collections
import dataclasses
import itertools

import numpy as np
from absl.testing import parameterized

from spl_tf.data.input.order import BlockOrder, permutation


def _order(**changes):
    options = {
        "shard_bytes": [10, 30, 20, 25, 5, 40],
        "shard_clips": [3, 7, 0, 6, 1, 9],
        "seed": 4,
        "block_bytes": 50,
        "block_shards": 3,
    }
    return BlockOrder(**(options | changes))


def _stream(order, epoch):
    """(shard, clip of the shard) of one epoch, in stream order."""
    stream = []
    for block in order.epoch(epoch):
        clips = [(shard, clip) for shard in block.shards for clip in range(order.shard_clips[shard])]
        stream += [clips[place] for place in order.clip_order(block)]
    return stream


class OrderTest(parameterized.TestCase):
    def test_permutation_is_the_same_on_every_machine_and_numpy(self):
        self.assertEqual(permutation(10, 1, 2, 3).tolist(), [1, 8, 2, 4, 6, 5, 0, 9, 7, 3])

    def test_permutations_are_uniform(self):
        counts = collections.Counter(tuple(permutation(3, seed)) for seed in range(6000))
        self.assertLen(counts, 6)
        # 1000 of each expected, standard deviation 29.
        self.assertLess(max(abs(count - 1000) for count in counts.values()), 4 * 29)

    @parameterized.parameters(range(5))
    def test_an_epoch_holds_every_kept_clip_once(self, epoch):
        order = _order()
        every = [(shard, clip) for shard, clips in enumerate(order.shard_clips) for clip in range(clips)]
        self.assertCountEqual(_stream(order, epoch), every)
        self.assertNotEqual(_stream(order, epoch), _stream(order, epoch + 1))

    def test_seeds_give_different_orders(self):
        self.assertNotEqual(_stream(_order(), 0), _stream(_order(seed=5), 0))

    def test_shards_meet_other_shards_in_each_epoch(self):
        pairs = {frozenset(block.shards) for epoch in range(20) for block in _order().epoch(epoch)}
        self.assertGreater(len(pairs), 8)

    @parameterized.parameters((1, 3), (50, 1), (50, 2), (70, 9), (1000, 9))
    def test_blocks_keep_both_bounds(self, block_bytes, block_shards):
        order = _order(block_bytes=block_bytes, block_shards=block_shards)
        for block in itertools.chain(order.epoch(0), order.epoch(1)):
            size = sum(order.shard_bytes[shard] for shard in block.shards)
            self.assertTrue(size <= block_bytes or len(block.shards) == 1)
            self.assertLessEqual(len(block.shards), block_shards)

    def test_every_position_finds_its_block(self):
        order = _order()
        blocks = [block for epoch in range(3) for block in order.epoch(epoch)]
        self.assertEqual(order.clips_per_epoch, 26)
        for position in range(3 * 26):
            block = order.block_at(position)
            expected = [b for b in blocks if b.first <= position < b.first + b.clips]
            self.assertEqual([block], expected)

    @parameterized.product(lanes=[1, 2, 3, 5, 40], drawn=[False, True])
    def test_lanes_part_each_epoch_and_none_falls_behind(self, lanes, drawn):
        """Of any part of the stream of all lanes, dealt out one by one, the clips are those of its epochs."""
        epochs = 7
        draws = [np.random.default_rng(epoch).multinomial(26, np.full(26, 1 / 26)) for epoch in range(epochs + 1)]
        order = _order(draws=draws.__getitem__ if drawn else None)
        streams = []
        for lane in range(lanes):
            own = dataclasses.replace(order, lane=lane, lanes=lanes)
            blocks = [block for epoch in range(epochs) for block in own.epoch(epoch)]
            positions = np.cumsum([0, *(block.clips for block in blocks)])
            self.assertEqual([block.first for block in blocks], positions[:-1].tolist())
            for position in range(positions[-1]):
                block = own.block_at(position)
                self.assertIn(block, blocks)
                self.assertBetween(position, block.first, block.first + block.clips - 1)
            streams.append([item for epoch in range(epochs) for item in _stream(own, epoch)])
        self.assertLessEqual(max(map(len, streams)) - min(map(len, streams)), 1)
        dealt = [streams[place % lanes][place // lanes] for place in range(epochs * 26)]
        every = [(shard, clip) for shard, clips in enumerate(order.shard_clips) for clip in range(clips)]
        for epoch in range(epochs):
            times = draws[epoch] if drawn else np.ones(26, int)
            expected = [item for item, count in zip(every, times, strict=True) for _ in range(count)]
            self.assertCountEqual(dealt[epoch * 26 : (epoch + 1) * 26], expected)

    def test_a_lane_has_few_shards_in_common_with_others(self):
        order = _order(shard_bytes=[9] * 30, shard_clips=[10 + n % 3 for n in range(30)])
        for epoch in range(5):
            own = [
                {
                    shard
                    for block in dataclasses.replace(order, lane=lane, lanes=4).epoch(epoch)
                    for shard in block.shards
                }
                for lane in range(4)
            ]
            self.assertLessEqual(sum(map(len, own)), 30 + 3)
            self.assertLen(set.union(*own), 30)
