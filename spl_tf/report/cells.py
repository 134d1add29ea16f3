"""The web set by query and prediction: how many clips a cell has, and what every strategy made of them."""

import dataclasses
import pathlib

import numpy as np

from spl_tf.data.dataset import ClipDataset, read_description
from spl_tf.data.sidecars import count_confusion, open_predictions_of, read_pairs
from spl_tf.labels.assign import read_summary
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.predictions import Predictions
from spl_tf.labels.sidecar_files import read_labels
from spl_tf.report.collect import Labels, Recipe, read_labels_of

KEPT, MERGED, DISCARDED = "kept", "merged", "discarded"


@dataclasses.dataclass(frozen=True)
class Fate:
    """What became of a cell.

    Attributes:
      kind: KEPT, MERGED or DISCARDED.
      name: of its class; empty where it has none.
      unsure: clips of a cell with a class that were discarded, as the teacher's confidence was too low.
    """

    kind: str
    name: str = ""
    unsure: int = 0

    def __str__(self) -> str:
        text = {KEPT: f"kept as class {self.name}", MERGED: f"merged into {self.name}"}.get(self.kind, self.kind)
        return f"{text}; {clips(self.unsure)} of low confidence discarded" if self.unsure else text


@dataclasses.dataclass(frozen=True, eq=False)
class CellFates:
    """What one strategy made of every cell.

    Attributes:
      name: of the run: strategy and round.
      strategy: without the round.
      class_names: of its label space.
      clips: int64 [N, N], by query and prediction.
      labels: int32 [N, N], class of the cell's clips; -1 where none is kept.
      kept: int64 [N, N], clips that have a label.
    """

    name: str
    strategy: str
    class_names: tuple[str, ...]
    clips: np.ndarray
    labels: np.ndarray
    kept: np.ndarray

    @property
    def discarded(self) -> np.ndarray:
        """bool [N, N]: cells of which no clip has a label."""
        return self.labels < 0

    @property
    def merged(self) -> np.ndarray:
        """bool [N, N]: cells whose clips got their query's class for want of one of their own."""
        query, prediction = np.indices(self.labels.shape)
        # Weak labels give a cell its query's class too, but there no cell has another.
        return (self.labels == query) & (query != prediction) & (self.strategy == "spl_m")

    def fate(self, weak: int, teacher: int) -> Fate:
        label = int(self.labels[weak, teacher])
        if label < 0:
            return Fate(DISCARDED)
        merged = self.strategy == "spl_m" and weak != teacher and label == weak
        unsure = int(self.clips[weak, teacher] - self.kept[weak, teacher])
        return Fate(MERGED if merged else KEPT, self.class_names[label], unsure)


@dataclasses.dataclass(frozen=True, eq=False)
class Matrix:
    """The web clips of one seed's teacher.

    Attributes:
      seed: of the teacher.
      dataset: the web shards.
      predictions: of the teacher.
      confusion: int64 [N, N], clips by query (row) and prediction (column).
      fates: one a strategy, of the first round.
    """

    seed: int
    dataset: ClipDataset
    predictions: Predictions
    confusion: np.ndarray
    fates: list[CellFates]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.dataset.classes

    def share_of_row(self, weak: int, teacher: int) -> float:
        """Of the query's clips; 0 for a query without clips."""
        return float(self.confusion[weak, teacher] / max(self.confusion[weak].sum(), 1))

    def largest_errors(self, most: int) -> list[tuple[int, int]]:
        """The fullest off-diagonal cells, (query, prediction), by falling count and then by place."""
        counts = off_diagonal(self.confusion)
        order = np.argsort(-counts, axis=None, kind="stable")[:most]
        cells = (divmod(int(cell), len(counts)) for cell in order)
        return [cell for cell in cells if counts[cell]]


def clips(count: int) -> str:
    """ "1 clip", "1,234 clips"."""
    return f"{count:,} clip{'' if count == 1 else 's'}"


def off_diagonal(confusion: np.ndarray) -> np.ndarray:
    """The matrix with an empty diagonal."""
    return np.where(np.eye(len(confusion), dtype=bool), 0, confusion)


def read_matrix(recipe: Recipe) -> Matrix:
    """The matrix of the first seed's teacher.

    Raises:
      UserError: predictions or labels are missing or damaged.
    """
    seed = recipe.seeds[0]
    dataset = read_description(recipe.folder / "shards" / "web")
    predictions = open_predictions_of(dataset, recipe.seed_folder(seed) / "predictions")
    confusion = count_confusion(dataset, predictions)
    # Later rounds are labelled by other predictions.
    first_round = [labels for labels in read_labels_of(recipe, seed) if labels.name == labels.strategy]
    fates = [_fates(dataset, predictions, of, confusion) for of in first_round]
    return Matrix(seed, dataset, predictions, confusion, fates)


def _fates(dataset: ClipDataset, predictions: Predictions, labels: Labels, confusion: np.ndarray) -> CellFates:
    num_classes = dataset.num_classes
    class_names = read_summary(labels.folder).class_names
    label_of_cell = np.full((num_classes, num_classes), -1, np.int32)
    kept = np.zeros((num_classes, num_classes), np.int64)
    of_shard = np.zeros(0, np.int32)
    for batch in read_pairs(dataset, predictions):
        if batch.first_row == 0:
            of_shard = _labels_of_shard(dataset, batch.shard, labels.folder, len(class_names))
        label = of_shard[batch.first_row :][: len(batch.weak)]
        has_label = label >= 0
        weak, teacher = batch.weak[has_label], batch.teacher[has_label]
        label_of_cell[weak, teacher] = label[has_label]
        kept += count_pairs(weak, teacher, num_classes)
    return CellFates(labels.name, labels.strategy, class_names, confusion, label_of_cell, kept)


def _labels_of_shard(dataset: ClipDataset, position: int, folder: pathlib.Path, num_labels: int) -> np.ndarray:
    shard = dataset.shards[position]
    return read_labels(
        folder / f"{shard.name}.parquet",
        shard_name=shard.name,
        shard_fingerprint=shard.fingerprint,
        ids_digest=shard.ids_digest,
        num_records=shard.records,
        num_classes=num_labels,
    ).labels
