"""A labeller that has seen the counts: it maps batches of clips to what they are trained towards."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from spl_tf.labels.targets import DISCARDED, SINGLE, SingleLabels, Targets


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """n clips as a labeller sees them.

    Attributes:
      weak: int32 [n], class the clip was queried for.
      teacher: int32 [n], predicted class.
      confidence: float32 [n], the teacher's probability of that class, where the labeller asks for it.
      top_classes: int32 [n, k], the teacher's k most probable classes, likewise.
      top_scores: float32 [n, k], their probabilities, falling, likewise.
    """

    weak: np.ndarray
    teacher: np.ndarray
    confidence: np.ndarray | None = None
    top_classes: np.ndarray | None = None
    top_scores: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Pairs":
        """Some of the clips, by a mask or by rows."""

        def some(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        optional = (some(self.confidence), some(self.top_classes), some(self.top_scores))
        return Pairs(self.weak[rows], self.teacher[rows], *optional)

    @classmethod
    def joined(cls, parts: Sequence["Pairs"]) -> "Pairs":
        """The clips of at least one part, all parts with the same columns."""

        def joined(name: str) -> Any:
            columns = [getattr(part, name) for part in parts]
            return None if columns[0] is None else np.concatenate(columns)

        return cls(*(joined(field.name) for field in dataclasses.fields(cls)))

    def column(self, name: str) -> np.ndarray:
        """What a labeller asked for in `columns`.

        Raises:
          ValueError: it was not read, as nobody asked for it.
        """
        values = getattr(self, name)
        if values is None:
            raise ValueError(f"{name} was not read: list it in the labeller's columns")
        return values


class FittedLabeller(Protocol):
    """What labels a web set, clip by clip; `LabelMap` is the one that needs the pair alone.

    Attributes:
      name: the labeller's.
      class_names: names of the new classes, in id order.
      form: of the targets, one of `targets.Form`.
      columns: of the prediction side-cars that it needs beside "weak" and "teacher".
      table: int32 [N, N], rows weak labels, columns teacher predictions: the class of the cell's clips, -1 =
        discarded. A labeller that tells clips of one cell apart gives that of those the teacher is surest of.
      merges: bool [N, N], cells that lost the class of their own to the diagonal's.
    """

    @property
    def name(self) -> str: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def form(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def table(self) -> np.ndarray: ...

    @property
    def merges(self) -> np.ndarray: ...

    def targets(self, pairs: Pairs) -> Targets: ...


@dataclasses.dataclass(frozen=True, eq=False)
class LabelMap:
    """A map from (weak label, teacher prediction) to a class of a new label space; attributes as of `FittedLabeller`.

    Attributes:
      name: the labeller's name.
      table: int32 [N, N], rows weak labels, columns teacher predictions: class id, or -1 = discarded.
      class_names: names of the new classes, in id order.
      merged: bool [N, N], tail cells that lost their own class to the diagonal's (SPL-M); None: no cell.
    """

    name: str
    table: np.ndarray
    class_names: tuple[str, ...]
    merged: np.ndarray | None = None

    form = SINGLE
    columns = ()

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def merges(self) -> np.ndarray:
        """bool [N, N]: `merged`, False everywhere where it is None."""
        return np.zeros(self.table.shape, bool) if self.merged is None else self.merged

    @property
    def selected(self) -> np.ndarray:
        """bool [N, N]: cells whose clips count in the samples cover ratio."""
        return (self.table != DISCARDED) & ~self.merges

    def targets(self, pairs: Pairs) -> SingleLabels:
        return SingleLabels(self.apply(pairs.weak, pairs.teacher))

    def apply(self, weak: np.ndarray, teacher: np.ndarray) -> np.ndarray:
        """Labels of clips: int32 [n] from ids in [0, N), each [n]."""
        cells = np.multiply(weak, len(self.table), dtype=np.int64)
        cells += teacher
        return self.table.ravel().take(cells)
