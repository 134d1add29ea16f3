"""The confusion matrix C of queries and teacher predictions, and the numbers read from it (paper sections 3.2, 4.3)."""

import numpy as np

from spl_tf.labels.label_map import LabelMap


def count_pairs(weak: np.ndarray, teacher: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts clips by weak label and teacher prediction.

    Args:
      weak: int [n], weak label of each clip (the query that found it).
      teacher: int [n], class predicted by the teacher.
      num_classes: N.

    Returns:
      int64 [N, N], rows weak labels, columns teacher predictions.

    Raises:
      ValueError: an id lies outside [0, N).
    """
    for name, ids in (("weak", weak), ("teacher", teacher)):
        if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
            raise ValueError(f"{name} ids must lie in [0, {num_classes})")
    # int64 from the start: it keeps N * N from overflowing and is what bincount works on.
    cells = np.multiply(weak, num_classes, dtype=np.int64)
    cells += teacher
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def noise_ratio(confusion: np.ndarray) -> float:
    """The paper's synthetic noise ratio: off-diagonal clips / all clips; nan without clips."""
    total = int(confusion.sum())
    return 1 - int(np.trace(confusion)) / total if total else float("nan")


def samples_cover_ratio(confusion: np.ndarray, label_map: LabelMap, num_clips: int | None = None) -> float:
    """The paper's SCR: clips in selected cells / all clips, the diagonal counted; nan without clips.

    A cell is selected when it keeps a class: the tail that SPL-M merges and SPL-D discards is not,
    every cell of SPL and SPL-B is.

    Args:
      confusion: int [N, N], the clips the strategy can use.
      label_map: the strategy's label map.
      num_clips: all clips; the sum of `confusion` unless clips were set aside (low confidence).
    """
    total = int(confusion.sum()) if num_clips is None else num_clips
    return int(confusion[label_map.selected].sum()) / total if total else float("nan")


def clips_per_class(confusion: np.ndarray, label_map: LabelMap) -> np.ndarray:
    """int64 [number of classes]: clips that each class of the new label space gets."""
    labelled = label_map.table >= 0
    counts = np.zeros(label_map.num_classes, np.int64)
    np.add.at(counts, label_map.table[labelled], confusion[labelled])
    return counts
