"""How good labels are, from how many clips of each label show each class."""

import dataclasses
import threading
from typing import Any

import numpy as np

from spl_tf.labels.label_map import FittedLabeller, Pairs
from spl_tf.labels.targets import DISTRIBUTION, SingleLabels, Targets


@dataclasses.dataclass(frozen=True)
class LabelQuality:
    """Of labels of one strategy.

    Attributes:
      purity: share of the kept clips that show what most clips of their label show; nan without any.
      bits: mutual information of the label of a kept clip and the class it shows; nan without any.
      bits_per_clip: the same over all clips, of which discarded ones tell nothing.
      kept: share of the clips that have a label.
      least_kept: that share of the class that keeps least.
    """

    purity: float
    bits: float
    bits_per_clip: float
    kept: float
    least_kept: float

    def as_json(self) -> dict[str, Any]:
        """By name, to six digits; None for nan, which JSON cannot hold."""
        values = dataclasses.asdict(self)
        return {name: None if np.isnan(value) else round(value, 6) for name, value in values.items()}


def label_quality(joint: np.ndarray, clips_of_class: np.ndarray) -> LabelQuality:
    """Measures labels.

    Args:
      joint: float [K, N], kept clips by label and class shown.
      clips_of_class: float [N], all clips by class shown.
    """
    total, everything = joint.sum(), clips_of_class.sum()
    if not total > 0:
        return LabelQuality(np.nan, np.nan, 0.0, 0.0, 0.0)
    shares = np.divide(joint.sum(axis=0), clips_of_class, out=np.ones(len(clips_of_class)), where=clips_of_class > 0)
    purity, bits, kept = joint.max(axis=1).sum() / total, mutual_information(joint), total / everything
    return LabelQuality(float(purity), bits, float(kept * bits), float(kept), float(min(shares.min(), 1.0)))


def mutual_information(joint: np.ndarray) -> float:
    """Bits that the row of a clip tells of its column, from counts [rows, columns]; 0 without clips."""
    if not joint.any():
        return 0.0
    shares = joint / joint.sum()
    independent = shares.sum(axis=1, keepdims=True) * shares.sum(axis=0)
    filled = shares > 0
    return float(np.sum(shares[filled] * np.log2(shares[filled] / independent[filled])))


def label_entries(targets: Targets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips, their labels and the shares of them that have the label, three arrays [entries].

    A distribution counts as a label drawn from it, several candidates as one of them, each as likely: what that
    tells of a clip is at most what the target itself tells.
    """
    if isinstance(targets, SingleLabels):
        clips = np.flatnonzero(targets.kept)
        return clips, targets.labels[clips], np.ones(len(clips))
    sizes = np.diff(targets.offsets)
    clips = np.repeat(np.arange(len(targets)), sizes)
    shares = (
        targets.values.astype(np.float64)
        if targets.form == DISTRIBUTION
        else np.repeat(1 / np.maximum(sizes, 1), sizes)
    )
    kept = targets.kept[clips] & (targets.values > 0)
    return clips[kept], targets.classes[kept], shares[kept]


def joint_by_cell(labeller: FittedLabeller, truth: np.ndarray) -> np.ndarray:
    """Kept clips by label and class, float64 [K, N], of a labeller that looks at the pair alone.

    Args:
      labeller: without `columns`.
      truth: float [N, N, N], clips of every cell by the class they show.
    """
    num_classes = len(truth)
    weak, teacher = np.indices((num_classes, num_classes), dtype=np.int32).reshape(2, -1)
    cells, labels, shares = label_entries(labeller.targets(Pairs(weak, teacher)))
    of_cells, num_labels = truth.reshape(num_classes**2, -1), len(labeller.class_names)
    # A column at a time: entries of all of them at once would be some gigabytes.
    columns = [np.bincount(labels, shares * column[cells], num_labels) for column in of_cells.T]
    return np.stack(columns, axis=1)


class LabelledCells:
    """How often a labeller gave each label to the clips of each cell, where it looks at more than the pair.

    Clips may be added by several threads.

    Args:
      num_classes: N; its labels are the same classes.
    """

    def __init__(self, num_classes: int):
        self._num_classes = num_classes
        self._given = np.zeros((num_classes**2, num_classes))
        self._lock = threading.Lock()

    def add(self, pairs: Pairs, targets: Targets) -> None:
        clips, labels, shares = label_entries(targets)
        cells = np.multiply(pairs.weak, self._num_classes, dtype=np.int64) + pairs.teacher
        places = cells[clips] * self._num_classes + labels
        given = np.bincount(places, shares, self._given.size).reshape(self._given.shape)
        with self._lock:
            self._given += given

    def joint(self, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """As `joint_by_cell`, as if clips of a cell were labelled whatever they show.

        In truth a labeller that goes by the teacher's scores tells right clips from wrong ones: its labels are better
        than this says.

        Args:
          truth: float [N, N, N], clips of every cell by the class they show.
          counts: int [N, N], all clips that were added.
        """
        rates = self._given / np.maximum(counts.reshape(-1, 1), 1)
        return rates.T @ truth.reshape(len(rates), -1)
