"""The order of the training clips: a pure function of the data, the seed and the position.

An epoch is a seeded permutation of the shards, cut into blocks; the clips of a
block are fully permuted among themselves. Block sizes are known before anything
is read, so any position of the endless stream is found by arithmetic. Numpy only.

For several hosts the stream is cut into lanes. Each lane takes a run of the
permuted shards of every epoch, as long as that of any other lane to one clip, and
has blocks of its own; a batch takes as many clips of each. So a host that has
some of the lanes reads the shards of these alone, and what a batch holds depends
on the number of lanes, not on that of the hosts.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Block:
    """A few whole shards that are permuted together.

    Attributes:
      epoch: number of the epoch, from 0.
      number: position of the block in its epoch.
      shards: positions of its shards in the data set.
      first: position of its first clip in the endless stream of its lane.
      clips: how many clips of its shards the stream takes: every kept one once, or as often as it is drawn.
      skipped: clips of its first shard that the lane before takes; of the last one the lane behind may take some.
    """

    epoch: int
    number: int
    shards: tuple[int, ...]
    first: int
    clips: int
    skipped: int = 0


@dataclasses.dataclass(frozen=True)
class BlockOrder:
    """What decides the blocks of every epoch.

    Attributes:
      shard_bytes: size of each shard in bytes.
      shard_clips: kept clips of each shard; shards without any are never read.
      seed: non-negative.
      block_bytes: a block holds at most so many bytes, or a single larger shard.
      block_shards: a block holds at most so many shards.
      draws: epoch -> int64 [kept clips], how often each is drawn in it, shard after shard, as many times in all as
        there are clips; None: each once.
      lane: the lane whose blocks these are.
      lanes: that an epoch is cut into.
    """

    shard_bytes: Sequence[int]
    shard_clips: Sequence[int]
    seed: int
    block_bytes: int
    block_shards: int
    draws: Callable[[int], np.ndarray] | None = None
    lane: int = 0
    lanes: int = 1

    @property
    def clips_per_epoch(self) -> int:
        return sum(self.shard_clips)

    def epoch(self, epoch: int) -> Iterator[Block]:
        """The lane's blocks of one epoch: shards are shuffled, cut into lanes, then packed in that order."""
        first, begin, end = self._share(epoch)
        number, passed, size, clips, skipped = 0, 0, 0, 0, 0
        shards: list[int] = []
        clips_of_shards = self._clips_of_shards(epoch)
        for shard in permutation(len(clips_of_shards), self.seed, epoch):
            before, passed = passed, passed + clips_of_shards[shard]
            taken = min(passed, end) - max(before, begin)
            if taken <= 0:
                continue
            if shards and (size + self.shard_bytes[shard] > self.block_bytes or len(shards) == self.block_shards):
                yield Block(epoch, number, tuple(shards), first, clips, skipped)
                number, first, shards, size, clips = number + 1, first + clips, [], 0, 0
            if not shards:
                skipped = max(0, begin - before)
            shards.append(int(shard))
            size += self.shard_bytes[shard]
            clips += taken
        if shards:
            yield Block(epoch, number, tuple(shards), first, clips, skipped)

    def block_at(self, position: int) -> Block:
        """The block that holds clip `position` of the lane's endless stream."""
        blocks = self.epoch((position * self.lanes + self.lane) // self.clips_per_epoch)
        return next(block for block in blocks if position < block.first + block.clips)

    def clip_order(self, block: Block) -> np.ndarray:
        """int64 [block.clips]: for each place of the block, which of the kept clips of its shards comes there."""
        key = (self.seed, block.epoch, block.number) + ((0, self.lane) if self.lanes > 1 else ())
        return self._taken(block)[permutation(block.clips, *key)]

    def drawn_by_another_lane(self, block: Block) -> tuple[int, int]:
        """Of the block's first clip, which it is among the kept ones of its shards, and how often it came before."""
        taken = self._taken(block)
        before = self._drawn(block)[: block.skipped]
        return int(taken[0]), int(np.count_nonzero(before == taken[0]))

    def _taken(self, block: Block) -> np.ndarray:
        """int64 [block.clips], the clips of the block in the order of its shards."""
        return self._drawn(block)[block.skipped : block.skipped + block.clips]

    def _drawn(self, block: Block) -> np.ndarray:
        """The clips of the block's shards, for any lane: each as often as it is drawn."""
        own = [self.shard_clips[shard] for shard in block.shards]
        if self.draws is None:
            return np.arange(sum(own))
        draws, ends = self.draws(block.epoch), np.cumsum(self.shard_clips)
        times = [draws[ends[shard] - clips : ends[shard]] for shard, clips in zip(block.shards, own, strict=True)]
        return np.repeat(np.arange(sum(own)), np.concatenate(times))

    def _share(self, epoch: int) -> tuple[int, int, int]:
        """The lane's part of an epoch: where it begins in the lane's stream, in the epoch, and ends in the epoch.

        Clip k of all lanes, dealt out one by one, is of lane k mod lanes: so none falls behind another.
        """
        total = self.clips_per_epoch
        firsts = [-((lane - epoch * total) // self.lanes) for lane in range(self.lanes)]
        sizes = [-((lane - (epoch + 1) * total) // self.lanes) - first for lane, first in enumerate(firsts)]
        begin = sum(sizes[: self.lane])
        return firsts[self.lane], begin, begin + sizes[self.lane]

    def _clips_of_shards(self, epoch: int) -> Sequence[int]:
        """How many clips of each shard the stream takes in an epoch."""
        if self.draws is None:
            return self.shard_clips
        ends = np.append(0, np.cumsum(self.shard_clips))
        return np.diff(np.append(0, np.cumsum(self.draws(epoch)))[ends]).tolist()


def permutation(size: int, *key: int) -> np.ndarray:
    """A permutation of range(size) decided by the non-negative integers of `key`.

    numpy promises that seed sequences and raw bits never change between its
    versions; it does not promise that of `Generator.permutation`. Hence the sort.
    """
    bits = np.random.Philox(np.random.SeedSequence(key)).random_raw(size)
    return np.argsort(bits, kind="stable")
