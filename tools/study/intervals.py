"""Differences of two arms, paired over seeds and test videos, with bootstrap intervals."""

import dataclasses
from collections.abc import Sequence

import numpy as np

_DRAWS = 10_000
_LEVEL = 0.95
_CHUNK = 1_000


@dataclasses.dataclass(frozen=True)
class Difference:
    """First minus second, in points of top-1, with a 95 % interval, over `seeds` seeds that both have."""

    points: float
    low: float
    high: float
    seeds: int

    @property
    def is_distinguishable(self) -> bool:
        """Whether the interval leaves zero out. Of twenty comparisons of equal arms, one would too."""
        return self.low > 0 or self.high < 0


def paired_difference(first: np.ndarray, second: np.ndarray, groups: Sequence[str], seed: int = 0) -> Difference:
    """Bootstrap over seeds and over groups of videos, both drawn with replacement.

    Videos of a group show the same people at the same place (UCF101 cuts them from one recording), so
    a group is drawn as a whole: intervals over single videos would be too narrow.

    Args:
      first: bool [S, V], whether each video was right with each seed.
      second: bool [S, V], the same seeds and videos.
      groups: group of each video, V names.
      seed: of the draws.
    """
    names, group_of_video = np.unique(np.asarray(groups), return_inverse=True)
    gains = first.astype(np.float64) - second
    gain_of_group = np.stack([np.bincount(group_of_video, row, len(names)) for row in gains])
    videos_of_group = np.bincount(group_of_video, minlength=len(names))
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(_DRAWS // _CHUNK):
        seeds = generator.multinomial(len(gains), np.full(len(gains), 1 / len(gains)), _CHUNK)
        weights = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), _CHUNK)
        totals = np.einsum("ds,sg,dg->d", seeds, gain_of_group, weights, optimize=True)
        drawn.append(totals / (len(gains) * (weights @ videos_of_group)))
    low, high = np.quantile(np.concatenate(drawn), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Difference(100 * float(gains.mean()), 100 * float(low), 100 * float(high), len(gains))
