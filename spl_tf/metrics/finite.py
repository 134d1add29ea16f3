"""Scores that are no numbers: a comparison with NaN is false, so they would count for hits."""

import numpy as np


def require_finite(scores: np.ndarray) -> None:
    """Raises ValueError, which names the first row of [V, N] or [V], unless all scores are finite."""
    wrong = ~np.isfinite(scores)
    if wrong.any():
        row = int(np.flatnonzero(wrong.reshape(len(scores), -1).any(axis=1))[0])
        raise ValueError(f"the scores of row {row} are not finite: nothing can be measured by them")
