"""Top-k accuracy, accuracy per class and the confusion matrix of an evaluation."""

import numpy as np

from spl_tf.metrics.finite import require_finite


def rank_of_label(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes stand before the right one, 0 for a top-1 hit.

    Among equal scores the lower class id stands first, as in argmax.

    Args:
      scores: [V, N].
      labels: int [V].

    Returns:
      int [V].

    Raises:
      ValueError: a score is not finite, or a label no class: neither has a rank.
    """
    require_finite(scores)
    _require_classes("label", labels, scores.shape[1])
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier_class = np.arange(scores.shape[1])[None, :] < labels[:, None]
    ranks: np.ndarray = np.sum((scores > own) | ((scores == own) & earlier_class), axis=1)
    return ranks


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of videos whose label is among the k highest scores; raises as `rank_of_label`."""
    return float(np.mean(rank_of_label(scores, labels) < k))


def confusion_of_predictions(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts int64 [N, N]: rows are labels, columns predictions.

    Raises:
      ValueError: a label or a prediction lies outside [0, N), so no cell is its own.
    """
    _require_classes("label", labels, num_classes)
    _require_classes("prediction", predictions, num_classes)
    cells = np.bincount(labels.astype(np.int64) * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def accuracy_per_class(confusion: np.ndarray) -> np.ndarray:
    """Diagonal share of every row, float [N]; NaN for a class without videos."""
    videos = confusion.sum(axis=1)
    shares = np.full(len(confusion), np.nan)
    np.divide(np.diag(confusion), videos, out=shares, where=videos > 0)
    return shares


def _require_classes(name: str, ids: np.ndarray, num_classes: int) -> None:
    """Taken for an index, an id out of range would count in the cell of another class."""
    if (wrong := np.flatnonzero((ids < 0) | (ids >= num_classes))).size:
        raise ValueError(f"{name} {wrong[0]} is {ids[wrong[0]]}, there are {num_classes} classes")
