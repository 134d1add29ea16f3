"""Training labels of every shard: from a label side-car, or the records' own."""

import dataclasses

import numpy as np

from spl_tf.data.dataset import ClipDataset, Shard
from spl_tf.data.sidecars import labels_of_shard, open_labels_of
from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels.label_folder import Summary


@dataclasses.dataclass(frozen=True)
class ShardLabels:
    """The clips of one shard that training uses.

    Attributes:
      rows: int64 [kept], their rows in the shard, ascending.
      labels: int32 [kept]; -1 without side-cars, where each record carries its own label.
      weights: float32 [kept]; 1 without side-cars.
    """

    rows: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def join_labels(dataset: ClipDataset, labels_dir: Path | None) -> list[ShardLabels]:
    """One entry per shard of the data set, in its order; discarded clips (label -1) are left out.

    All side-cars are read and checked at once, so that a foreign one is reported
    before training starts; 16 bytes per kept clip stay in memory.

    Raises:
      UserError: a side-car or the summary of all is missing, damaged or belongs to other
        shards; a label is no class of the summary; every clip is discarded; the data set
        has several labels per clip and no side-cars.
    """
    if labels_dir is None:
        if dataset.multi_label:
            raise UserError(
                f"{dataset.folder} has several labels per clip: give label side-cars (labels_dir) with one label each"
            )
        joined = [_own_labels(shard) for shard in dataset.shards]
    else:
        summary = open_labels_of(dataset, labels_dir)
        joined = [_join_shard(shard, summary) for shard in dataset.shards]
    if not any(len(shard.rows) for shard in joined):
        reason = "it holds no clip" if labels_dir is None else f"{labels_dir} discards all its clips"
        raise UserError(f"{dataset.folder}: {reason}, nothing is left to train on")
    return joined


def _own_labels(shard: Shard) -> ShardLabels:
    return ShardLabels(
        rows=np.arange(shard.records),
        labels=np.full(shard.records, -1, np.int32),
        weights=np.ones(shard.records, np.float32),
    )


def _join_shard(shard: Shard, summary: Summary) -> ShardLabels:
    column = labels_of_shard(shard, summary)
    rows = np.flatnonzero(column.labels >= 0)
    return ShardLabels(rows, column.labels[rows], column.weights[rows])
