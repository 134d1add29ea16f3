"""Differences of two strategies over leave-groups-out folds."""

from collections.abc import Sequence

import numpy as np

from spl_tf.report.intervals import Difference

_NORMAL = 1.9600  # 97.5 %


def folded_difference(folds: Sequence[tuple[np.ndarray, Sequence[str]]]) -> Difference:
    """The mean gain over all test videos, with an interval that allows for seeds and recordings.

    The variance is that of recordings plus that of trainings (a fold and seed), minus that of what both share, which is
    in both (Cameron, Gelbach and Miller 2011, Journal of Business & Economic Statistics 29:238); at least that of the
    recordings. Where every strategy has one training a fold, the trainings' part cannot be told from the fold's
    recordings: at least two seeds are needed.

    Args:
      folds: of each, the gains [S, V], -1, 0 or 1, of S seeds, and the V names of its videos' recordings, which no
        other fold has.

    Raises:
      ValueError: a fold has one seed, or a recording is in two folds.
    """
    names = [set(recordings) for _, recordings in folds]
    if len(set.union(*names)) < sum(map(len, names)):
        raise ValueError("a recording is in two folds")
    if any(len(gains) < 2 for gains, _ in folds):
        raise ValueError("a fold has one seed")
    num_videos = sum(len(recordings) for _, recordings in folds)
    points = sum(gains.mean(axis=0).sum() for gains, _ in folds) / num_videos
    recordings_, trainings, shared = [], [], []
    for gains, recordings in folds:
        _, recording_of = np.unique(np.asarray(recordings), return_inverse=True)
        # Each cell's part of the error of the mean.
        away = (gains - points) / (len(gains) * num_videos)
        cells = np.stack([np.bincount(recording_of, row) for row in away])
        recordings_.append(cells.sum(axis=0))
        trainings.append(cells.sum(axis=1))
        shared.append(cells.ravel())
    of_recordings = _variance(recordings_)
    variance = max(of_recordings, of_recordings + _variance(trainings) - _variance(shared))
    margin = _NORMAL * np.sqrt(variance)
    seeds = min(len(gains) for gains, _ in folds)
    return Difference(100 * points, 100 * (points - margin), 100 * (points + margin), seeds)


def _variance(clusters: Sequence[np.ndarray]) -> float:
    """Of the sum over clusters, from how they differ."""
    parts = np.concatenate(clusters)
    return float((parts**2).sum() * len(parts) / (len(parts) - 1))
