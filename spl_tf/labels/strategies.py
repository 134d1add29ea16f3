"""The idea of the paper: every labelling strategy is one lookup table over the confusion matrix.

Web videos are found by a query, their weak label l. A teacher trained on clean data says what it
sees in a clip, its prediction t. C[l, t] counts the web clips (here N = 3 classes, 310 clips):

                    teacher sees
                 run   jump  swim
         run      90     40     2     On the diagonal query and teacher agree.
  query  jump      7     80    30     Off it a clip is not just noise: "run queried, jump seen"
         swim      1      0    60     is a sub-concept, and can be a class: a Sub-Pseudo Label (SPL).

A strategy gives each cell a class id, or `.` to discard its clips:

   weak    teacher   agreement    spl      spl_b    spl_m    spl_d      (spl_m, spl_d: num_labels=5)
  0 0 0     0 1 2      0 . .     0 1 2     0 3 3    0 3 0    0 3 .
  1 1 1     0 1 2      . 1 .     3 4 5     4 1 4    1 1 4    . 1 4
  2 2 2     0 1 2      . . 2     6 7 8     5 5 2    2 2 2    . . 2

Paper sections 3.1 to 3.3 and figure 3. To add a strategy: fill a table, and name it in STRATEGIES.
"""

import dataclasses
import difflib
from collections.abc import Callable, Sequence

import numpy as np
from absl import logging

from spl_tf.errors import UserError

DISCARDED = -1


@dataclasses.dataclass(frozen=True, eq=False)
class LabelMap:
    """A map from (weak label, teacher prediction) to a class of a new label space.

    Attributes:
      name: the strategy's name.
      table: int32 [N, N], rows weak labels, columns teacher predictions: class id, or -1 = discarded.
      class_names: names of the new classes, in id order.
      uses_teacher: whether a label depends on the prediction, and so on the teacher's confidence.
      merged: bool [N, N], tail cells that lost their own class to the diagonal's (SPL-M); None: no cell.
    """

    name: str
    table: np.ndarray
    class_names: tuple[str, ...]
    uses_teacher: bool = True
    merged: np.ndarray | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def merges(self) -> np.ndarray:
        """bool [N, N]: `merged`, where there are none too."""
        return np.zeros(self.table.shape, bool) if self.merged is None else self.merged

    @property
    def selected(self) -> np.ndarray:
        """bool [N, N]: cells whose clips count in the samples cover ratio."""
        return (self.table >= 0) & ~self.merges

    def apply(self, weak: np.ndarray, teacher: np.ndarray) -> np.ndarray:
        """Labels of clips: int32 [n] from ids in [0, N), each [n]."""
        cells = np.multiply(weak, len(self.table), dtype=np.int64)
        cells += teacher
        return self.table.ravel().take(cells)


def weak_label(confusion: np.ndarray, classes: Sequence[str], num_labels: int | None = None) -> LabelMap:
    """The query's class, whatever the clip shows: l."""
    weak, _ = _cells(classes)
    return LabelMap("weak", weak, tuple(classes), uses_teacher=False)


def teacher_prediction(confusion: np.ndarray, classes: Sequence[str], num_labels: int | None = None) -> LabelMap:
    """The teacher's class, whatever was queried: t."""
    _, teacher = _cells(classes)
    return LabelMap("teacher", teacher, tuple(classes))


def agreement(confusion: np.ndarray, classes: Sequence[str], num_labels: int | None = None) -> LabelMap:
    """Only clips on whose class query and teacher agree."""
    weak, teacher = _cells(classes)
    return LabelMap("agreement", np.where(weak == teacher, weak, np.int32(DISCARDED)), tuple(classes))


def spl(confusion: np.ndarray, classes: Sequence[str], num_labels: int | None = None) -> LabelMap:
    """Every cell a class: N * l + t (equation 2)."""
    weak, teacher = _cells(classes)
    names = tuple(_cell_name(classes, row, column) for row, column in zip(weak.flat, teacher.flat, strict=True))
    return LabelMap("spl", len(classes) * weak + teacher, names)


def spl_b(confusion: np.ndarray, classes: Sequence[str], num_labels: int | None = None) -> LabelMap:
    """Binary merge: l where query and teacher agree, N + l where they do not."""
    weak, teacher = _cells(classes)
    names = (*classes, *(f"{name}|other" for name in classes))
    return LabelMap("spl_b", np.where(weak == teacher, weak, len(classes) + weak), names)


def spl_m(confusion: np.ndarray, classes: Sequence[str], num_labels: int | None = None) -> LabelMap:
    """Merge to diagonal: the largest cells keep a class, the clips of the others become (l, l)."""
    table, names = _largest_cells("spl_m", confusion, classes, num_labels)
    tail = table == DISCARDED
    return LabelMap("spl_m", np.where(tail, _cells(classes)[0], table), names, merged=tail)


def spl_d(confusion: np.ndarray, classes: Sequence[str], num_labels: int | None = None) -> LabelMap:
    """Discard tail: the same cells as SPL-M, the clips of the others are discarded."""
    return LabelMap("spl_d", *_largest_cells("spl_d", confusion, classes, num_labels))


STRATEGIES: dict[str, Callable[..., LabelMap]] = {
    "weak": weak_label,
    "teacher": teacher_prediction,
    "agreement": agreement,
    "spl": spl,
    "spl_m": spl_m,
    "spl_d": spl_d,
    "spl_b": spl_b,
}

# The others have a fixed number of classes.
TAKING_NUM_LABELS = frozenset({"spl_m", "spl_d"})


def require_strategy(name: str) -> None:
    """Raises UserError, with the nearest name, when there is no strategy of that name."""
    if name not in STRATEGIES:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), STRATEGIES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"there is no strategy {name!r}: {hint}The strategies are {', '.join(STRATEGIES)}")


def _cells(classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Weak label and teacher prediction of every cell, two int32 [N, N]."""
    weak, teacher = np.indices((len(classes), len(classes)), dtype=np.int32)
    return weak, teacher


def _cell_name(classes: Sequence[str], weak: int, teacher: int) -> str:
    """ "run" on the diagonal, "run|jump" for run queried and jump seen."""
    return classes[weak] if weak == teacher else f"{classes[weak]}|{classes[teacher]}"


def _largest_cells(
    name: str, confusion: np.ndarray, classes: Sequence[str], num_labels: int | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Table and class names of the cells that SPL-M and SPL-D keep, all other cells discarded.

    Ids 0 .. N-1 are the diagonal cells, kept even when empty. Then come the most frequent
    off-diagonal cells by falling count, ties by the lowest cell id N * l + t. An empty
    off-diagonal cell is never kept: with too few others there are fewer classes, with a warning.

    Args:
      name: the strategy, for messages.
      confusion: int [N, N].
      classes: the N class names.
      num_labels: the number of classes K * N of the paper; None is K = 2.

    Raises:
      UserError: `num_labels` is less than N or more than N * N.
    """
    num_classes = len(classes)
    if num_labels is None:
        num_labels = min(2 * num_classes, num_classes**2)
    if not num_classes <= num_labels <= num_classes**2:
        raise UserError(
            f"num_labels is {num_labels}, but {name} over {num_classes} classes makes "
            f"{num_classes} to {num_classes**2}: choose a number between them"
        )
    counts = confusion.ravel().copy()
    counts[:: num_classes + 1] = 0
    # A stable sort leaves equal counts in the order of their cell ids.
    largest = np.argsort(-counts, kind="stable")[: num_labels - num_classes]
    largest = largest[counts[largest] > 0]
    if num_classes + len(largest) < num_labels:
        logging.warning(
            "%s makes %d classes instead of %d: only %d off-diagonal cells of the confusion matrix hold clips",
            name,
            num_classes + len(largest),
            num_labels,
            len(largest),
        )
    table = np.full(num_classes**2, DISCARDED, np.int32)
    table[:: num_classes + 1] = np.arange(num_classes)
    table[largest] = num_classes + np.arange(len(largest))
    names = (*classes, *(_cell_name(classes, *divmod(int(cell), num_classes)) for cell in largest))
    return table.reshape(num_classes, num_classes), names
