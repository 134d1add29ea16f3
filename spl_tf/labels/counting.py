"""A first look at all predictions, shard by shard: the confusion matrix, and what else a labeller is fitted on."""

import concurrent.futures
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.prediction_batches import read_batches, require_columns
from spl_tf.labels.predictions import Predictions
from spl_tf.labels.statistics import STATISTICS

THREADS = os.cpu_count() or 1
_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """What the first pass finds.

    Attributes:
      confusion: int64 [N, N], all clips.
      usable: int64 [N, N], the confident ones.
      statistics: of the confident ones, by name.
    """

    confusion: np.ndarray
    usable: np.ndarray
    statistics: dict[str, np.ndarray]


def confident(pairs: Pairs, min_confidence: float) -> np.ndarray:
    """bool [n]: clips whose teacher confidence reaches the threshold."""
    return pairs.column("confidence") >= np.float32(min_confidence)


def count_predictions(
    predictions: Predictions, asked_by: str, statistics: Sequence[str], min_confidence: float = 0.0
) -> Counts:
    """Counts pairs and adds up statistics, in one stream.

    Args:
      predictions: the side-cars.
      asked_by: who asks for the statistics, for the message where they need scores that were not stored.
      statistics: keys of STATISTICS.
      min_confidence: least teacher confidence of a usable clip.

    Raises:
      UserError: as `require_columns` and `read_batches`.
    """
    num_classes = len(predictions.classes)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    usable = np.zeros_like(confusion) if min_confidence else confusion
    added_up = {name: STATISTICS[name](num_classes) for name in statistics}
    columns = {column for each in added_up.values() for column in each.columns}
    require_columns(predictions, columns, asked_by)
    columns.add("confidence")  # Even where nothing asks for it: that of a broken teacher is refused as it is read.

    def count(shard: str) -> tuple[np.ndarray, np.ndarray]:
        confusion, usable = (np.zeros((num_classes, num_classes), np.int64) for _ in range(2))
        for batch, pairs in read_batches(predictions, shard, columns):
            confusion += count_pairs(pairs.weak, pairs.teacher, num_classes)
            if min_confidence:
                pairs = pairs.take(confident(pairs, min_confidence))
                usable += count_pairs(pairs.weak, pairs.teacher, num_classes)
            for each in added_up.values():
                each.add(pairs)
            bar.update(batch.num_rows)
        return confusion, usable

    with progress(predictions, "counting") as bar:
        # Sums of floating-point numbers depend on their order.
        at_once = 1 if added_up else THREADS
        for all_clips, confident_clips in of_shards(count, predictions, at_once):
            confusion += all_clips
            if min_confidence:
                usable += confident_clips
    return Counts(confusion, usable, {name: each.result(usable) for name, each in added_up.items()})


def of_shards(
    function: Callable[[str], _Result], predictions: Predictions, at_once: int = THREADS
) -> Iterator[_Result]:
    """What a function gives for the name of each shard, in their order: Parquet's code runs without Python's lock."""
    names = list(predictions.shards)
    ahead = 8 * at_once  # Results of so many at most wait for that of a large shard.
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for start in range(0, len(names), ahead):
            yield from pool.map(function, names[start : start + ahead])


def progress(predictions: Predictions, doing: str) -> tqdm:
    """A bar over all clips; a job of less than a second shows none."""
    return tqdm(total=predictions.num_clips, desc=doing, unit=" clips", unit_scale=True, delay=1)
