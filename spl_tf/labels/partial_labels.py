"""Partial labels: where query and teacher disagree, either may be right."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.labels.label_map import Pairs
from spl_tf.labels.targets import CANDIDATES, SparseTargets


@dataclasses.dataclass(frozen=True, eq=False)
class PartialLabels:
    """Attributes as of `FittedLabeller`."""

    class_names: tuple[str, ...]

    name = "partial"
    form = CANDIDATES
    columns = ()

    @property
    def table(self) -> np.ndarray:
        """int32 [N, N]: the query's class, the first of the candidates."""
        query, _ = np.indices((len(self.class_names),) * 2, dtype=np.int32)
        return query

    @property
    def merges(self) -> np.ndarray:
        return np.zeros((len(self.class_names),) * 2, bool)

    def targets(self, pairs: Pairs) -> SparseTargets:
        both = np.column_stack([pairs.weak, pairs.teacher]).astype(np.int32)
        counted = np.column_stack([np.ones(len(both), bool), pairs.weak != pairs.teacher])
        offsets = np.append(0, np.cumsum(counted.sum(axis=1)))
        classes = both[counted]
        return SparseTargets(CANDIDATES, offsets, classes, np.ones(len(classes), np.float32), np.ones(len(both), bool))


def partial(confusion: np.ndarray, classes: Sequence[str]) -> PartialLabels:
    """The candidates {l, t} of every clip, one where query and teacher agree; for the objective `partial_label`.

    Args:
      confusion: int [N, N]; not looked at.
      classes: the N class names.
    """
    return PartialLabels(tuple(classes))
