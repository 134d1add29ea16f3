"""Differences of two runs, paired over seeds and test videos, with bootstrap intervals."""

import dataclasses
from collections.abc import Sequence

import numpy as np

DRAWS = 10_000
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
        """Whether the interval leaves zero out. Of twenty comparisons of equal runs, one would too."""
        return self.low > 0 or self.high < 0


def paired_difference(
    first: np.ndarray, second: np.ndarray, groups: Sequence[str] | None = None, seed: int = 0
) -> Difference:
    """Bootstrap over seeds and over groups of videos, both drawn with replacement.

    Videos of a group show the same people at the same place (UCF101 cuts them from one recording), so
    a group is drawn as a whole: intervals over single videos would be too narrow. Groups with equal
    gains are drawn together, by how many of them are drawn: the time does not grow with the videos.

    Args:
      first: bool [S, V], whether each video was right with each seed.
      second: bool [S, V], the same seeds and videos.
      groups: group of each video, V names; None draws single videos.
      seed: of the draws.
    """
    gains = first.astype(np.float64) - second
    num_seeds, num_videos = gains.shape
    names = np.arange(num_videos) if groups is None else np.asarray(groups)
    _, group_of_video = np.unique(names, return_inverse=True)
    videos_of_group = np.bincount(group_of_video)
    gain_of_group = np.stack([np.bincount(group_of_video, row) for row in gains])
    # A kind of group: its gain with each seed, and its videos.
    kinds, groups_of_kind = np.unique(np.vstack([gain_of_group, videos_of_group]), axis=1, return_counts=True)
    gain_of_kind, videos_of_kind = kinds[:-1], kinds[-1]
    num_groups = len(videos_of_group)
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS // _CHUNK):
        seeds = generator.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), _CHUNK)
        weights = generator.multinomial(num_groups, groups_of_kind / num_groups, _CHUNK)
        totals = ((seeds @ gain_of_kind) * weights).sum(axis=1)
        drawn.append(totals / (num_seeds * (weights @ videos_of_kind)))
    low, high = np.quantile(np.concatenate(drawn), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Difference(100 * float(gains.mean()), 100 * float(low), 100 * float(high), num_seeds)
