"""How labels go wrong: the matrix T[i, j] = P(noisy label j | class i) that the correction losses need."""

from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError


def estimate_transition(probabilities: np.ndarray, percentile: float | None = None) -> np.ndarray:
    """T from what a network trained on the noisy labels says (Patrini et al. 2017, section 4).

    Row i is the network's output for one clip, the one it is most certain shows
    class i: such a clip is taken to be of that class, and the network, which
    learned noisy labels, tells how it may be labelled.

    Args:
      probabilities: [n, N] softmax scores of n clips.
      percentile: None takes the clip with the highest score of class i. A number, 97
        in the authors' code, passes over outliers: the clip with the highest
        score below that percentile of the class' scores. The authors' code
        zeroes the scores it passes over in the matrix from which later rows are
        read; that mistake is not copied.

    Returns:
      float64 [N, N], rows sum to 1.

    Raises:
      ValueError: `probabilities` are no softmax scores, or `percentile` is out of range.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 2 or not probabilities.size:
        raise ValueError(f"probabilities must be [n, N], not {probabilities.shape}")
    # As loose as float16 scores need it.
    if not (probabilities >= 0).all() or not np.allclose(probabilities.sum(axis=1, dtype=np.float64), 1, atol=1e-2):
        raise ValueError("rows of probabilities must be softmax scores: not negative and with the sum 1")
    if percentile is not None and not 0 < percentile <= 100:
        raise ValueError(f"percentile {percentile} must lie in (0, 100]")
    picks = [_pick(scores, percentile) for scores in probabilities.T]
    matrix = probabilities[picks].astype(np.float64)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _pick(scores: np.ndarray, percentile: float | None) -> int:
    """The row of the most certain clip; without one below the percentile, of a clip at it."""
    if percentile is None:
        return int(np.argmax(scores))
    limit = np.percentile(scores, percentile, method="higher")
    candidates = np.flatnonzero(scores < limit)
    if not candidates.size:
        candidates = np.flatnonzero(scores == limit)
    return int(candidates[np.argmax(scores[candidates])])


def count_transition(confusion: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """T counted from clips that carry both a clean and a noisy label.

    Args:
      confusion: int [N, N] clips by (clean, noisy) label, as
        `confusion.count_pairs(clean, noisy, N)` counts them.
      classes: names of the N classes.

    Returns:
      float64 [N, N], rows sum to 1.

    Raises:
      UserError: a class without such a clip.
    """
    confusion = np.asarray(confusion)
    totals = confusion.sum(axis=1)
    empty = np.flatnonzero(totals == 0)
    if empty.size:
        raise UserError(
            f"class {classes[empty[0]]!r} has no clip with both a clean and a noisy label: estimate the matrix instead"
        )
    return confusion / totals[:, np.newaxis]
