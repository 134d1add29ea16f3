"""From classes that labelling made back to those of the target: what a network of SPL classes says of the latter.

A class on the diagonal, in whose cells query and teacher agree on c, is c: also with the rest of a row merged into
it (SPL-M). Of any other class, such as run|jump, the clips were queried for one class and seen as another by the
teacher, and nothing in the labels tells which of the two they show: one half of the class's probability goes to each
(`query_share` says how much to the query's). A class of several such cells (SPL-B's run|other) deals it among them by
their clips. The shares of a class sum to 1, so scores of target classes are a distribution where those of SPL are.

The paper (Sub-Pseudo Labels) never evaluates a pre-trained network this way: it fine-tunes first. This is ours.
"""

import dataclasses

import numpy as np

from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels.label_folder import read_cells, read_confusion, read_summary


@dataclasses.dataclass(frozen=True, eq=False)
class TargetShares:
    """Which share of every class's probability each target class gets, as entries of a sparse [K, N].

    Attributes:
      class_names: the K classes of the labels.
      target_classes: the N classes of the target.
      sources: int [entries], ids of classes.
      targets: int [entries], ids of target classes.
      shares: float64 [entries].
    """

    class_names: tuple[str, ...]
    target_classes: tuple[str, ...]
    sources: np.ndarray
    targets: np.ndarray
    shares: np.ndarray

    def scores(self, scores: np.ndarray) -> np.ndarray:
        """float [K], scores of the labels' classes -> float64 [N], of the target's."""
        return np.bincount(self.targets, scores[self.sources] * self.shares, len(self.target_classes))


def read_target_shares(labels_dir: Path, query_share: float) -> TargetShares:
    """The shares that a folder of labels gives.

    Labels of the target's own classes (weak, teacher, agreement, mopro, dawid_skene) give every class to itself.

    Raises:
      UserError: the folder holds no finished labels, or a class without a cell.
    """
    class_names = read_summary(labels_dir).class_names
    target_classes, confusion = read_confusion(labels_dir)
    if class_names == target_classes:
        every = np.arange(len(class_names))
        return TargetShares(class_names, target_classes, every, every, np.ones(len(every)))
    table, _ = read_cells(labels_dir, len(target_classes))
    if empty := sorted(set(range(len(class_names))) - set(table.flat)):
        raise UserError(
            f"{labels_dir}: the class {class_names[empty[0]]!r} has no cell of the confusion matrix, so nothing tells "
            "which target class it is: run spl_tf.label again"
        )
    return TargetShares(class_names, target_classes, *shares_of_cells(table, confusion, query_share))


def shares_of_cells(
    table: np.ndarray, confusion: np.ndarray, query_share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes, target classes and shares: three arrays [entries].

    Args:
      table: int [N, N], rows weak labels, columns teacher predictions: the cells' class, -1 = discarded.
      confusion: int [N, N], clips of the cells.
      query_share: of an off-diagonal class's probability that goes to the class it was queried for.
    """
    off_diagonal = ~np.isin(table, np.diag(table))
    counted = (table >= 0) & (np.eye(len(table), dtype=bool) | off_diagonal)
    queries, seen = np.nonzero(counted)
    classes, clips = table[counted], confusion[counted]
    totals = np.bincount(classes, clips)
    # Classes of which no clip was found deal evenly.
    clips = np.where(totals[classes] == 0, 1, clips)
    weights = clips / np.bincount(classes, clips)[classes]
    return (
        np.concatenate([classes, classes]),
        np.concatenate([queries, seen]),
        np.concatenate([query_share * weights, (1 - query_share) * weights]),
    )
