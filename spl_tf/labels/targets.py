"""What clips are trained towards: a class each, several of which some are unknown, a distribution, or candidates."""

import dataclasses
from typing import Literal

import numpy as np

from spl_tf.errors import UserError

SINGLE, SEVERAL, DISTRIBUTION = "single", "several", "distribution"
# Several, of which one is right.
CANDIDATES = "candidates"
# Self-supervised: labels are not looked at, and there are no class scores.
NONE = "none"
Form = Literal["single", "several", "distribution", "candidates", "none"]

DISCARDED = -1

_IN_WORDS = {SINGLE: "one label", SEVERAL: "several labels", DISTRIBUTION: "a distribution", CANDIDATES: "candidates"}
# One label is several too, and the only candidate.
_DO_AS_WELL = ((SINGLE, SEVERAL), (SINGLE, CANDIDATES))


def require_form(form: str, wanted: str, source: object) -> None:
    """Raises UserError unless targets of a form do for what learns another: one label for some, and any for none.

    Args:
      form: of Form, what there is.
      wanted: of Form, what the objective learns.
      source: what gives the targets, for the message.
    """
    if form != wanted and (form, wanted) not in _DO_AS_WELL and wanted != NONE:
        raise UserError(
            f"{source} gives every clip {_IN_WORDS[form]}, the objective learns {_IN_WORDS[wanted]}: give "
            "train_stage.objective the one that fits, or other labels"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class SingleLabels:
    """One class a clip.

    Attributes:
      labels: int32 [n], class ids; -1 = discarded.
    """

    labels: np.ndarray

    form = SINGLE

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kept(self) -> np.ndarray:
        """bool [n]: clips that have a target."""
        return self.labels != DISCARDED

    @property
    def classes(self) -> np.ndarray:
        """int32 [kept]: every class that some clip has, as often as clips have it."""
        return self.labels[self.kept]

    def take(self, rows: np.ndarray) -> "SingleLabels":
        """The targets of some clips, int [m], in that order."""
        return SingleLabels(self.labels[rows])

    def only(self, mask: np.ndarray) -> "SingleLabels":
        """The same, with the clips outside of a mask, bool [n], discarded."""
        return SingleLabels(np.where(mask, self.labels, np.int32(DISCARDED)))

    def clips_per_class(self, num_classes: int) -> np.ndarray:
        """float64 [N]."""
        return np.bincount(self.classes, minlength=num_classes).astype(np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class SparseTargets:
    """Several classes a clip, or a distribution over classes; clip i has the entries offsets[i] to offsets[i + 1].

    Attributes:
      form: "several", "distribution" or "candidates".
      offsets: int64 [n + 1].
      classes: int32 [entries], class ids, no class twice in a clip.
      values: float32 [entries]. Of "several": 1 for a class the clip has, 0 for one of which nothing is known, which
        counts neither way; classes without an entry are those it does not have. Of "distribution": probabilities.
        Of "candidates": 1.
      kept: bool [n], clips that have a target; a clip may well be kept and have no class.
    """

    form: str
    offsets: np.ndarray
    classes: np.ndarray
    values: np.ndarray
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.kept)

    def take(self, rows: np.ndarray) -> "SparseTargets":
        """The targets of some clips, int [m], in that order."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.append(0, np.cumsum(sizes))
        entries = np.repeat(self.offsets[:-1][rows] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return SparseTargets(self.form, offsets, self.classes[entries], self.values[entries], self.kept[rows])

    def only(self, mask: np.ndarray) -> "SparseTargets":
        """The same, with the clips outside of a mask, bool [n], discarded."""
        return dataclasses.replace(self, kept=self.kept & mask)

    def clips_per_class(self, num_classes: int) -> np.ndarray:
        """float64 [N]; of distributions, the clips that are to be expected."""
        counted = np.where(np.repeat(self.kept, np.diff(self.offsets)), self.values, 0)
        return np.bincount(self.classes, counted, num_classes)

    def dense(self, num_classes: int) -> np.ndarray:
        """float32 [n, N]: the values, 0 for classes without an entry."""
        table = np.zeros((len(self), num_classes), np.float32)
        table[np.repeat(np.arange(len(self)), np.diff(self.offsets)), self.classes] = self.values
        return table


Targets = SingleLabels | SparseTargets


def distributions(probabilities: np.ndarray, kept: np.ndarray | None = None) -> SparseTargets:
    """Targets of "distribution" from float [n, N]; zeros take no room."""
    rows, classes = np.nonzero(probabilities)
    return SparseTargets(
        DISTRIBUTION,
        np.searchsorted(rows, np.arange(len(probabilities) + 1)),
        classes.astype(np.int32),
        probabilities[rows, classes].astype(np.float32),
        np.ones(len(probabilities), bool) if kept is None else kept,
    )
