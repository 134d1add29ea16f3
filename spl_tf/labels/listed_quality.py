"""What labels are worth by a short list of clips that somebody looked at: with intervals, and never flattering."""

import dataclasses

import numpy as np

from spl_tf.labels.label_quality import label_entries
from spl_tf.labels.targets import Targets

_DRAWS = 1000
_LEVEL = 0.95
# How many listed clips the expectation of a label counts for, and how much of it is left to the shares of the classes:
# whichever of these foretells the listed clips best.
_CLIPS_OF_EXPECTATION = (0.3, 1.0, 3.0, 10.0, 30.0)
_DOUBTS = (0.05, 0.15, 0.4, 0.7, 1.0)
_CLIPS_OF_SHARES = 10.0


@dataclasses.dataclass(frozen=True)
class Measured:
    """A number, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class ListedQuality:
    """What listed clips say of labels; names as of `LabelQuality`."""

    purity: Measured
    bits: Measured
    bits_per_clip: Measured
    kept: Measured
    least_kept: Measured


def listed_quality(
    targets: Targets,
    classes: np.ndarray,
    videos: np.ndarray,
    num_classes: int,
    expected: np.ndarray | None = None,
    seed: int = 0,
) -> ListedQuality | None:
    """Measures labels of clips whose class is known; None where they keep no listed clip.

    Counted as they are, a few hundred clips make labels of many classes look pure and telling, by chance alone: each
    label holds a clip or two, which it agrees with. So every clip is foretold, from its label, by what is expected of
    the label and by the listed clips of other videos. Purity is the share of clips whose class is foretold, `bits` the
    mean of log2 q(class | label) / q(class), which is at most the mutual information. Both are at most what all clips
    would show, and nearer to it the more clips are listed. (How much the expectation counts is chosen on the same
    clips: where these were 30, `bits` came out 0.05 too high, where they were 100, 0.01.)

    Clips of one video resemble each other, so the intervals are over videos (bootstrap).

    Args:
      targets: of n listed clips.
      classes: int [n], what they show; `num_classes` for none of the classes, with which no label is right.
      videos: int [n], the video of each.
      num_classes: N.
      expected: float [K, N], clips by label and class as they are expected; None where nothing is.
      seed: of the draws.
    """
    clips, labels, shares = label_entries(targets)
    if not len(clips):
        return None
    shown, video = classes[clips], videos[clips]
    gains, is_right = _foretold(labels, shown, video, shares, num_classes, expected)
    num_videos = int(videos.max()) + 1
    of_class = [np.bincount(videos[classes == label], minlength=num_videos) for label in range(num_classes)]
    kept_of_class = [
        np.bincount(video[shown == label], shares[shown == label], num_videos) for label in range(num_classes)
    ]
    ratios = [kept.sum() / max(all_clips.sum(), 1) for kept, all_clips in zip(kept_of_class, of_class, strict=True)]
    least = min((label for label in range(num_classes) if of_class[label].any()), key=ratios.__getitem__, default=0)
    sums = np.column_stack(
        [
            np.bincount(video, shares * is_right, num_videos),
            np.bincount(video, shares * gains, num_videos),
            np.bincount(video, shares, num_videos),
            np.bincount(videos, minlength=num_videos),
            kept_of_class[least],
            of_class[least],
        ]
    )
    draws = np.random.default_rng(seed).multinomial(num_videos, np.full(num_videos, 1 / num_videos), _DRAWS) @ sums
    total = sums.sum(axis=0)
    measured = []
    for above, below, least_value in ((0, 2, 0), (1, 2, 0), (1, 3, 0), (2, 3, 0), (4, 5, 0)):
        with np.errstate(invalid="ignore", divide="ignore"):
            value, drawn = total[above] / total[below], draws[:, above] / draws[:, below]
        low, high = np.nanquantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]) if not np.isnan(value) else (value,) * 2
        measured.append(Measured(*(float(max(each, least_value)) for each in (value, low, high))))
    return ListedQuality(*measured)


def _foretold(
    labels: np.ndarray,
    shown: np.ndarray,
    video: np.ndarray,
    shares: np.ndarray,
    num_classes: int,
    expected: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Of every entry, [entries]: log2 of the probability of its class given its label over that without, and whether
    its class is the most probable one."""
    names, rows = np.unique(labels, return_inverse=True)
    width = num_classes + 1
    groups, group = np.unique(video * len(names) + rows, return_inverse=True)
    of_others = (
        _counts(rows, shown, shares, len(names), width)[rows] - _counts(group, shown, shares, len(groups), width)[group]
    )
    own_video = _counts(video, shown, shares, int(video.max()) + 1, width)
    of_class = own_video.sum(axis=0) - own_video[video]
    even = np.full(width, 1 / width)
    by_label, by_class = np.tile(even, (len(names), 1)), even
    if expected is not None and expected.any():
        by_class = np.append(expected.sum(axis=0) / expected.sum(), 0.0)
        totals = expected[names].sum(axis=1, keepdims=True)
        by_label = np.column_stack([expected[names] / np.maximum(totals, 1e-12), np.zeros(len(names))])
        by_label = np.where(totals > 0, by_label, by_class)
    # Nothing is impossible.
    by_class = 0.9 * by_class + 0.1 * even
    prior = (of_class + _CLIPS_OF_SHARES * by_class) / (of_class.sum(axis=1, keepdims=True) + _CLIPS_OF_SHARES)
    entries = np.arange(len(rows))
    doubts = (1.0,) if expected is None else _DOUBTS
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for doubt in doubts:
        base = (1 - doubt) * by_label[rows] + doubt * prior
        for weight in _CLIPS_OF_EXPECTATION:
            told = (of_others + weight * base) / (of_others.sum(axis=1, keepdims=True) + weight)
            gains = np.log2(told[entries, shown] / prior[entries, shown])
            mean = float((shares * gains).sum())
            if best is None or mean > best[0]:
                best = mean, gains, told[:, :num_classes].argmax(axis=1) == shown
    assert best is not None
    return best[1], best[2]


def _counts(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sums of weights by row and column, float64 [height, width]."""
    return np.bincount(rows * width + columns, weights, height * width).reshape(height, width)
