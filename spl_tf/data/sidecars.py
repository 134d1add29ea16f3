"""Shards joined with their side-cars: what the teacher said of a clip, and what labelling made of it.

Row i of a side-car belongs to record i of its shard. Whatever reads the two together reads them here, where
they are checked against each other, so that a side-car of other shards is an error in every command.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

from spl_tf import files
from spl_tf.data.dataset import ClipDataset, Shard
from spl_tf.errors import UserError
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.label_folder import Summary, read_cells, read_summary
from spl_tf.labels.prediction_batches import read_batches
from spl_tf.labels.predictions import PREDICT_AGAIN, Predictions, open_predictions
from spl_tf.labels.sidecar_files import LabelColumn, read_labels

_NO_TEACHER = -1


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a clip is stored, and what the teacher said of it.

    Attributes:
      shard: position of its shard in the data set.
      row: of the record in the shard.
      teacher: predicted class; -1 without predictions.
      confidence: the teacher's probability of that class; 0 without predictions.
    """

    shard: int
    row: int
    teacher: int = _NO_TEACHER
    confidence: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class WeakPairs:
    """n consecutive clips of one shard.

    Attributes:
      shard: position of the shard in the data set.
      first_row: of the clips in the shard.
      weak: int32 [n], class the clip was queried for.
      teacher: int32 [n], predicted class.
      confidence: float32 [n], the teacher's probability of that class.
    """

    shard: int
    first_row: int
    weak: np.ndarray
    teacher: np.ndarray
    confidence: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledCells:
    """What labelling made of every cell of the confusion matrix, weak label (row) by prediction (column).

    Attributes:
      strategy: its name.
      class_names: of the label space.
      clips: int64 [N, N], all clips.
      kept: int64 [N, N], those that have a label; the merged ones among them.
      table: int32 [N, N], class of the cell's clips; -1 where none is kept.
      merges: bool [N, N], cells that lost the class of their own to that of their query (SPL-M).
    """

    strategy: str
    class_names: tuple[str, ...]
    clips: np.ndarray
    kept: np.ndarray
    table: np.ndarray
    merges: np.ndarray

    @property
    def merged(self) -> np.ndarray:
        """int64 [N, N]: clips that got their query's class in place of their cell's."""
        return np.where(self.merges, self.kept, 0)

    @property
    def discarded(self) -> np.ndarray:
        """int64 [N, N]: clips without a label."""
        return self.clips - self.kept


def open_predictions_of(dataset: ClipDataset, folder: files.Path) -> Predictions:
    """Opens a folder of predictions of exactly these shards.

    Raises:
      UserError: it is missing or damaged, or of other shards or classes.
    """
    predictions = open_predictions(folder)
    if predictions.classes != dataset.classes:
        raise UserError(f"{folder} has other classes than {dataset.folder}: {PREDICT_AGAIN} on these shards")
    for shard in dataset.shards:
        header = predictions.shards.get(shard.name)
        if header is None or header.shard_fingerprint != shard.fingerprint or header.records != shard.records:
            fault = _not_this_shard(header is not None)
            raise UserError(
                f"{dataset.folder} has the shard {shard.name}, but {folder} {fault}: {PREDICT_AGAIN} on these shards"
            )
    if len(predictions.shards) > len(dataset.shards):
        raise UserError(f"{folder} lists shards that {dataset.folder} does not have: {PREDICT_AGAIN} on these shards")
    return predictions


def open_labels_of(dataset: ClipDataset, folder: files.Path) -> Summary:
    """The summary of labels of exactly these shards.

    Raises:
      UserError: it is missing or damaged, or of other shards.
    """
    summary = read_summary(folder)
    for shard in dataset.shards:
        fingerprint = summary.fingerprints.get(shard.name)
        if fingerprint != shard.fingerprint:
            raise UserError(
                f"{dataset.folder} has the shard {shard.name}, but {summary.path} "
                f"{_not_this_shard(fingerprint is not None)}: run spl_tf.predict and spl_tf.label on these shards"
            )
    return summary


def labels_of_shard(shard: Shard, summary: Summary) -> LabelColumn:
    """The labels of a shard's clips, in record order; raises as `read_labels`."""
    return read_labels(
        summary.path.with_name(f"{shard.name}.parquet"),
        shard_name=shard.name,
        shard_fingerprint=shard.fingerprint,
        ids_digest=shard.ids_digest,
        num_records=shard.records,
        num_classes=len(summary.class_names),
        form=summary.target,
        identity=summary.identity,
    )


def read_pairs(dataset: ClipDataset, predictions: Predictions) -> Iterator[WeakPairs]:
    """All clips in batches, shard by shard; raises as `read_batches`."""
    for position, shard in enumerate(dataset.shards):
        first_row = 0
        for _, pairs in read_batches(predictions, shard.name, ["confidence"]):
            yield WeakPairs(position, first_row, pairs.weak, pairs.teacher, pairs.column("confidence"))
            first_row += len(pairs.weak)


def count_confusion(dataset: ClipDataset, predictions: Predictions) -> np.ndarray:
    """int64 [N, N]: clips by weak label (row) and prediction (column)."""
    confusion = np.zeros((dataset.num_classes, dataset.num_classes), np.int64)
    for batch in read_pairs(dataset, predictions):
        confusion += count_pairs(batch.weak, batch.teacher, dataset.num_classes)
    return confusion


def count_labelled(
    dataset: ClipDataset, predictions: Predictions, labels_dir: files.Path, confusion: np.ndarray
) -> LabelledCells:
    """What labels made from these predictions did to every cell.

    Args:
      dataset: the shards.
      predictions: of exactly these shards.
      labels_dir: made from the predictions.
      confusion: as `count_confusion`.

    Raises:
      UserError: the labels are missing, damaged or of other shards.
    """
    summary = open_labels_of(dataset, labels_dir)
    kept = np.zeros_like(confusion)
    has_label = np.zeros(0, bool)
    for batch in read_pairs(dataset, predictions):
        if batch.first_row == 0:
            has_label = labels_of_shard(dataset.shards[batch.shard], summary).targets.kept
        chosen = has_label[batch.first_row :][: len(batch.weak)]
        kept += count_pairs(batch.weak[chosen], batch.teacher[chosen], dataset.num_classes)
    table, merges = read_cells(pathlib.Path(labels_dir), dataset.num_classes)
    return LabelledCells(summary.strategy, summary.class_names, confusion, kept, np.where(kept, table, -1), merges)


def _not_this_shard(is_listed: bool) -> str:
    return "lists another one of that name (their fingerprints differ)" if is_listed else "does not list it"
