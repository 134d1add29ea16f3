"""The web set by query and prediction: how many clips a cell has, and what every strategy made of them."""

import dataclasses

import numpy as np

from spl_tf.data.dataset import ClipDataset, read_description
from spl_tf.data.sidecars import LabelledCells, count_confusion, count_labelled, open_predictions_of
from spl_tf.labels.predictions import Predictions
from spl_tf.report.collect import Recipe

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
    """What one run's strategy made of every cell.

    Attributes:
      name: of the run: arm and round.
      cells: its clips, weak label by prediction.
    """

    name: str
    cells: LabelledCells

    @property
    def strategy(self) -> str:
        """That labelled it."""
        return self.cells.strategy

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.cells.class_names

    @property
    def kept(self) -> np.ndarray:
        """int64 [N, N]: clips that have a label."""
        return self.cells.kept

    @property
    def labels(self) -> np.ndarray:
        """int32 [N, N]: class of the cell's clips; -1 where none is kept."""
        return self.cells.table

    @property
    def discarded(self) -> np.ndarray:
        """bool [N, N]: cells of which no clip has a label."""
        return self.labels < 0

    @property
    def merged(self) -> np.ndarray:
        """bool [N, N]: cells whose clips got their query's class for want of one of their own."""
        return self.cells.merges & (self.kept > 0)

    def fate(self, weak: int, teacher: int) -> Fate:
        label = int(self.labels[weak, teacher])
        if label < 0:
            return Fate(DISCARDED)
        unsure = int(self.cells.discarded[weak, teacher])
        return Fate(MERGED if self.merged[weak, teacher] else KEPT, self.class_names[label], unsure)


@dataclasses.dataclass(frozen=True, eq=False)
class Matrix:
    """The web clips of one seed's teacher.

    Attributes:
      seed: of the teacher.
      dataset: the web shards.
      predictions: of the teacher.
      confusion: int64 [N, N], clips by query (row) and prediction (column).
      fates: one an arm that these predictions labelled: of the first round.
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
    """The matrix of the first seed's teacher; something was pre-trained.

    Raises:
      UserError: predictions or labels are missing or damaged.
    """
    seed = recipe.seeds[0]
    web = recipe.web(seed)
    assert web is not None
    dataset = read_description(web.shards)
    predictions = open_predictions_of(dataset, web.predictions)
    confusion = count_confusion(dataset, predictions)
    fates = [
        CellFates(run.name, count_labelled(dataset, predictions, recipe.run_folder(run) / "labels", confusion))
        for run in recipe.runs_on_web(seed)
    ]
    return Matrix(seed, dataset, predictions, confusion, fates)
