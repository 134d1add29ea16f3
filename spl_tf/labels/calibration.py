"""Temperature scaling (Guo et al. 2017): a teacher's confidence made as high as its share of right predictions."""

import dataclasses

import numpy as np

from spl_tf.labels.label_map import Pairs

# Powers of probabilities that are looked at, 1 / temperature.
_LEAST_POWER, _LARGEST_POWER = 0.05, 20.0
_HALVINGS = 60
# What was rounded to 0 is no proof that a class is impossible.
_LEAST_SCORE = 1e-7
_BINS = 15


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A temperature and what it does to the clean clips that it was found on.

    Attributes:
      temperature: above 1 where the teacher was too sure.
      clips: clean clips.
      loss: mean -log of the probability of the true class, nats, before and after.
      error: expected calibration error over 15 bins, before and after.
    """

    temperature: float
    clips: int
    loss: tuple[float, float]
    error: tuple[float, float]

    def __str__(self) -> str:
        (loss, loss_after), (error, error_after) = self.loss, self.error
        return (
            f"on {self.clips:,} clean clips: -log p {loss:.3f} -> {loss_after:.3f}, "
            f"calibration error {error:.1%} -> {error_after:.1%}"
        )


def fit_temperature(pairs: Pairs, num_classes: int) -> Calibration:
    """The temperature with the least cross-entropy on clips whose weak label is the class they show.

    Of the classes beyond the k best the score is taken as what these leave, spread evenly.

    Args:
      pairs: n clips with `top_classes` and `top_scores`, by a teacher that did not learn from them.
      num_classes: N.
    """
    classes, scores = pairs.column("top_classes"), pairs.column("top_scores")
    logs, rest, others = _logs(scores, num_classes)
    is_true = classes == pairs.weak[:, np.newaxis]
    of_true = np.where(is_true.any(axis=1), np.where(is_true, logs, 0).sum(axis=1), rest)

    def slope(power: float) -> float:
        """Of the mean loss, which is convex in the power."""
        shares, rest_share = _scaled(logs, rest, others, power)
        mean_log = (shares * logs).sum(axis=1) + others * rest_share * rest
        return float((mean_log - of_true).mean())

    low, high = _LEAST_POWER, _LARGEST_POWER
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    power = float(np.sqrt(low * high))

    def loss_and_error(power: float) -> tuple[float, float]:
        shares, rest_share = _scaled(logs, rest, others, power)
        true = np.where(is_true.any(axis=1), np.where(is_true, shares, 0).sum(axis=1), rest_share)
        return float(-np.log(true).mean()), calibration_error(shares[:, 0], is_true[:, 0])

    before, after = loss_and_error(1.0), loss_and_error(power)
    return Calibration(1 / power, len(classes), (before[0], after[0]), (before[1], after[1]))


def calibrated(pairs: Pairs, num_classes: int, temperature: float) -> Pairs:
    """The clips with scores, and where it was read the confidence, at a temperature; the order of classes stays."""
    logs, rest, others = _logs(pairs.column("top_scores"), num_classes)
    shares, _ = _scaled(logs, rest, others, 1 / temperature)
    shares = shares.astype(np.float32)
    confidence = None if pairs.confidence is None else shares[:, 0]
    return dataclasses.replace(pairs, confidence=confidence, top_scores=shares)


def calibration_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """Mean distance of confidence and share of right predictions over bins of equal width, weighted by their clips."""
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    distance = np.bincount(bins, confidence, _BINS) - np.bincount(bins, is_right, _BINS)
    return float(np.abs(distance).sum() / max(len(bins), 1))


def _logs(scores: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Logarithms of the k best scores [n, k] and of each other class's [n], and how many other classes there are."""
    others = num_classes - scores.shape[1]
    left = np.maximum(1 - scores.sum(axis=1, dtype=np.float64), 0) / max(others, 1)
    return np.log(np.maximum(scores.astype(np.float64), _LEAST_SCORE)), np.log(np.maximum(left, _LEAST_SCORE)), others


def _scaled(logs: np.ndarray, rest: np.ndarray, others: int, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the k best classes [n, k] and of each other class [n]."""
    top = logs[:, :1]
    powers, rest_power = np.exp(power * (logs - top)), np.exp(power * (rest - top[:, 0]))
    totals = powers.sum(axis=1) + others * rest_power
    return powers / totals[:, np.newaxis], rest_power / totals
