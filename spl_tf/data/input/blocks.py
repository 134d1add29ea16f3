"""Blocks of undecoded records: read in parallel, permuted in memory, streamed one by one.

What is read and in which order is planned in numpy, once per block; every record
is moved by TensorFlow alone.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import ForeignRecords, Shard
from spl_tf.data.input.order import Block, BlockOrder
from spl_tf.data.record_reading import shard_records, with_possible_lengths

_PARALLEL_READS = 8

# A plan: k shards hold r records, u of which are wanted, for n clips of the stream.
_PLAN = {
    "paths": tf.TensorSpec([None], tf.string),  # [k]
    "records": tf.TensorSpec([None], tf.int64),  # [k], in each shard.
    "slots": tf.TensorSpec([None], tf.int64),  # [r], place of a record among the u wanted ones, -1 for unwanted.
    "wanted": tf.TensorSpec([None], tf.int64),  # [n] in stream order, places among the wanted ones.
    "index": tf.TensorSpec([None], tf.int64),  # [n] in stream order, places in the data set.
    "repeats": tf.TensorSpec([None], tf.int64),  # [n], how often the clip came before in this epoch.
    "epoch": tf.TensorSpec([], tf.int64),
}


@dataclasses.dataclass(frozen=True)
class BlockPlanner:
    """Says for any position of a lane's stream what has to be read there.

    Attributes:
      order: the blocks.
      shards: of the data set.
      rows: int64 [kept] of each shard, the rows that are used, ascending.
    """

    order: BlockOrder
    shards: Sequence[Shard]
    rows: Sequence[np.ndarray]

    def plans(self, start: int) -> tf.data.Dataset:
        """Endless plans from the lane's stream position `start` on.

        Each plan is a function of a position and gives the next one, so the data set
        can be iterated again and holds no Python state (a generator would; besides,
        TensorFlow 2.21 changes the whole process's memory allocation when it runs one).
        TensorFlow is told that the function has none: else its deterministic mode makes the
        whole pipeline wait for every step (tests/data/input/test_determinism.py).
        """

        def plan(position: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            types = [tf.int64, *(spec.dtype for spec in _PLAN.values())]
            following, *arrays = tf.numpy_function(self._plan, [position], types, stateful=False)
            shaped = zip(_PLAN.items(), arrays, strict=True)
            return tf.ensure_shape(following, []), {
                name: tf.ensure_shape(array, spec.shape) for (name, spec), array in shaped
            }

        return tf.data.Dataset.from_tensors(0).repeat().scan(tf.constant(start, tf.int64), plan)

    def _plan(self, position: np.int64) -> list[np.ndarray | np.int64]:
        """The position after the block, then the arrays of `_PLAN`, from `position` to the block's end."""
        block = self.order.block_at(int(position))
        arrays = self.block_plan(block, int(position))
        return [np.int64(block.first + block.clips), *(arrays[name] for name in _PLAN)]

    def block_plan(self, block: Block, start: int) -> dict[str, np.ndarray]:
        """The arrays of `_PLAN` for the clips of a block at stream positions >= `start`."""
        clips = self.order.clip_order(block)
        # A shard, and so each of its clips, is in one block of an epoch, but where two lanes meet.
        parted, before = self.order.drawn_by_another_lane(block)
        repeats = (_times_before(clips) + np.where(clips == parted, before, 0))[start - block.first :]
        clips = clips[start - block.first :]

        shards = [self.shards[shard] for shard in block.shards]
        rows = [self.rows[shard] for shard in block.shards]
        records = np.array([shard.records for shard in shards], np.int64)
        firsts = np.cumsum(records) - records
        places = np.concatenate([own + first for own, first in zip(rows, firsts, strict=True)])
        index = np.concatenate([own + shard.start for own, shard in zip(rows, shards, strict=True)])
        slots = np.full(records.sum(), -1, np.int64)
        read, wanted = np.unique(clips, return_inverse=True)
        slots[places[read]] = np.arange(len(read))
        return {
            "paths": np.array([shard.path for shard in shards], object),
            "records": records,
            "slots": slots,
            "wanted": wanted,
            "index": index[clips],
            "repeats": repeats,
            "epoch": np.int64(block.epoch),
        }


def _times_before(values: np.ndarray) -> np.ndarray:
    """int64 [n]: of each of n integers, how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    times = np.empty(len(values), np.int64)
    times[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return times


def read_block(plan: dict[str, tf.Tensor], foreign: ForeignRecords | None = None) -> tf.data.Dataset:
    """Reads the wanted records of a block.

    Shards are read in whatever order is fastest: each record knows its slot.

    Args:
      plan: a `_PLAN`.
      foreign: how the records are read; None for ours.

    Returns:
      a dataset of one element, the plan with "block_records" string [u], as read, and "places" int64 [n]:
      for each step of the stream, where its record is among them.
    """
    slots = plan["slots"]
    wanted = tf.math.count_nonzero(slots >= 0)

    def read_shard(path: tf.Tensor, first: tf.Tensor, records: tf.Tensor) -> tf.data.Dataset:
        lines = shard_records(path, foreign)
        wanted = tf.data.Dataset.from_tensor_slices(slots[first : first + records])
        return tf.data.Dataset.zip((lines, wanted)).filter(lambda record, slot: slot >= 0)

    firsts = tf.cumsum(plan["records"], exclusive=True)
    paths = with_possible_lengths(plan["paths"], foreign)
    shards = tf.data.Dataset.from_tensor_slices((paths, firsts, plan["records"]))
    found = shards.interleave(
        read_shard, cycle_length=_PARALLEL_READS, num_parallel_calls=_PARALLEL_READS, deterministic=False
    )

    def placed(block_records: tf.Tensor, read_slots: tf.Tensor) -> dict[str, tf.Tensor]:
        complete = tf.debugging.assert_equal(
            tf.size(read_slots, out_type=tf.int64), wanted, "a shard holds fewer records than dataset.json says"
        )
        with tf.control_dependencies([complete]):
            places = tf.gather(tf.scatter_nd(read_slots[:, None], tf.range(wanted), wanted[None]), plan["wanted"])
        return {**plan, "block_records": block_records, "places": places}

    none = tf.data.Dataset.from_tensor_slices((tf.zeros([1, 0], tf.string), tf.zeros([1, 0], tf.int64)))
    return found.batch(wanted).concatenate(none).take(1).map(placed)


def stream_block(block: dict[str, tf.Tensor]) -> tf.data.Dataset:
    """The clips of a block in stream order: dicts of "record", "index", "repeat" and "epoch", all scalars."""

    def add_record(place: tf.Tensor, index: tf.Tensor, repeat: tf.Tensor) -> dict[str, tf.Tensor]:
        record = block["block_records"][place]
        return {"record": record, "epoch": block["epoch"], "index": index, "repeat": repeat}

    return tf.data.Dataset.from_tensor_slices((block["places"], block["index"], block["repeats"])).map(add_record)
