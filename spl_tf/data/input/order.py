"""The order of the training clips: a pure function of the data, the seed and the position.

An epoch is a seeded permutation of the shards, cut into blocks; the clips of a
block are fully permuted among themselves. Block sizes are known before anything
is read, so any position of the endless stream is found by arithmetic. Numpy only.
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
      first: position of its first clip in the endless stream.
      clips: how many clips of its shards the stream takes: every kept one once, or as often as it is drawn.
    """

    epoch: int
    number: int
    shards: tuple[int, ...]
    first: int
    clips: int


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
    """

    shard_bytes: Sequence[int]
    shard_clips: Sequence[int]
    seed: int
    block_bytes: int
    block_shards: int
    draws: Callable[[int], np.ndarray] | None = None

    @property
    def clips_per_epoch(self) -> int:
        return sum(self.shard_clips)

    def epoch(self, epoch: int) -> Iterator[Block]:
        """The blocks of one epoch: shards are shuffled, then packed in that order."""
        number, first, size = 0, epoch * self.clips_per_epoch, 0
        shards: list[int] = []
        clips = self._clips_of_shards(epoch)
        for shard in permutation(len(clips), self.seed, epoch):
            if not clips[shard]:
                continue
            if shards and (size + self.shard_bytes[shard] > self.block_bytes or len(shards) == self.block_shards):
                block = Block(epoch, number, tuple(shards), first, sum(clips[shard] for shard in shards))
                yield block
                number, first, shards, size = number + 1, first + block.clips, [], 0
            shards.append(int(shard))
            size += self.shard_bytes[shard]
        if shards:
            yield Block(epoch, number, tuple(shards), first, sum(clips[shard] for shard in shards))

    def block_at(self, position: int) -> Block:
        """The block that holds clip `position` of the endless stream."""
        blocks = self.epoch(position // self.clips_per_epoch)
        return next(block for block in blocks if position < block.first + block.clips)

    def clip_order(self, block: Block) -> np.ndarray:
        """int64 [block.clips]: for each place of the block, which of the kept clips of its shards comes there."""
        order = permutation(block.clips, self.seed, block.epoch, block.number)
        if self.draws is None:
            return order
        draws, ends = self.draws(block.epoch), np.cumsum(self.shard_clips)
        own = np.concatenate([draws[ends[shard] - self.shard_clips[shard] : ends[shard]] for shard in block.shards])
        return np.repeat(np.arange(len(own)), own)[order]

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


def host_share(positions: np.ndarray, *, batch_size: int, host: int, num_hosts: int) -> np.ndarray:
    """Which stream positions one host decodes: a contiguous share of each global batch.

    Args:
      positions: int64 [n], positions in the endless stream.
      batch_size: global batch, a multiple of `num_hosts`.

    Returns:
      bool [n].
    """
    return positions % batch_size // (batch_size // num_hosts) == host
