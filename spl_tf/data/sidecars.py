"""Side-cars of a shard folder, checked against it: what the teacher said of its clips, what labelling made of them."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from spl_tf import files
from spl_tf.data.dataset import ClipDataset
from spl_tf.errors import UserError
from spl_tf.labels.assign import Summary, read_summary
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.predictions import PREDICT_AGAIN, Predictions, open_predictions
from spl_tf.labels.sidecar_files import read_labels, read_predictions

_COLUMNS = ("weak", "teacher", "confidence")


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
class Fate:
    """What labelling made of the clips of every weak label, each int64 [N].

    Attributes:
      kept: have a label; the merged ones among them.
      merged: lost the class of their cell to that of their query (SPL-M).
      discarded: have none.
    """

    kept: np.ndarray
    merged: np.ndarray
    discarded: np.ndarray


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
            found = (
                "does not list it" if header is None else "lists another one of that name (their fingerprints differ)"
            )
            raise UserError(
                f"{dataset.folder} has the shard {shard.name}, but {folder} {found}: {PREDICT_AGAIN} on these shards"
            )
    if len(predictions.shards) > len(dataset.shards):
        raise UserError(f"{folder} lists shards that {dataset.folder} does not have: {PREDICT_AGAIN} on these shards")
    return predictions


def read_pairs(dataset: ClipDataset, predictions: Predictions) -> Iterator[WeakPairs]:
    """All clips in batches, shard by shard.

    Raises:
      UserError: a side-car is damaged or holds ids that are no classes.
    """
    for position, shard in enumerate(dataset.shards):
        path, first_row = predictions.path(shard.name), 0
        for batch in read_predictions(path, ["weak", "teacher", "confidence"]):
            weak, teacher = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("weak", "teacher"))
            for ids in (weak, teacher):
                if len(ids) and not 0 <= ids.min() <= ids.max() < dataset.num_classes:  # Empty cells are nan.
                    raise UserError(
                        f"{path} holds ids that are none of the {dataset.num_classes} classes: {PREDICT_AGAIN}"
                    )
            yield WeakPairs(
                position, first_row, weak, teacher, batch.column("confidence").to_numpy(zero_copy_only=False)
            )
            first_row += batch.num_rows


def count_confusion(dataset: ClipDataset, predictions: Predictions) -> np.ndarray:
    """int64 [N, N]: clips by weak label (row) and prediction (column)."""
    confusion = np.zeros((dataset.num_classes, dataset.num_classes), np.int64)
    for batch in read_pairs(dataset, predictions):
        confusion += count_pairs(batch.weak, batch.teacher, dataset.num_classes)
    return confusion


def count_fates(dataset: ClipDataset, predictions: Predictions, labels_dir: files.Path) -> tuple[str, Fate]:
    """The strategy's name, and what it made of every weak label's clips.

    Raises:
      UserError: the labels are missing, damaged or of other shards.
    """
    summary = read_summary(labels_dir)
    strategy = str(files.read_json(summary.path, "run spl_tf.label").get("strategy", "unknown strategy"))
    fate = Fate(*(np.zeros(dataset.num_classes, np.int64) for _ in dataclasses.fields(Fate)))
    merged_labels = _merged_labels(dataset, strategy, summary)
    labels = np.zeros(0, np.int32)
    for batch in read_pairs(dataset, predictions):
        if batch.first_row == 0:
            labels = _labels(dataset, batch.shard, summary)
        _add(fate, batch, labels[batch.first_row :][: len(batch.weak)], merged_labels)
    return strategy, fate


def _labels(dataset: ClipDataset, position: int, summary: Summary) -> np.ndarray:
    shard = dataset.shards[position]
    return read_labels(
        summary.path.with_name(f"{shard.name}.parquet"),
        shard_name=shard.name,
        shard_fingerprint=shard.fingerprint,
        ids_digest=shard.ids_digest,
        num_records=shard.records,
        num_classes=len(summary.class_names),
    ).labels


def _merged_labels(dataset: ClipDataset, strategy: str, summary: Summary) -> np.ndarray:
    """int [N]: the label of a clip that was merged into its query's class; no label where nothing is merged."""
    ids = {name: index for index, name in enumerate(summary.class_names)} if strategy == "spl_m" else {}
    return np.array([ids.get(name, -2) for name in dataset.classes])


def _add(fate: Fate, batch: WeakPairs, labels: np.ndarray, merged_labels: np.ndarray) -> None:
    kept = labels >= 0
    merged = (batch.weak != batch.teacher) & (labels == merged_labels[batch.weak])
    for counts, chosen in ((fate.kept, kept), (fate.merged, merged), (fate.discarded, ~kept)):
        counts += np.bincount(batch.weak[chosen], minlength=len(counts))
