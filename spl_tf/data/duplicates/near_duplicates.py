"""Whether two fingerprints show the same video: the borders cut off one are found, then the changes are compared.

Pictures of two moments of one scene are alike: the same room, the same camera. What tells them apart
is what happens. So a video is compared by the differences of successive pictures; a still one, where
nothing happens, by its pictures. Brightness and contrast play no part.
The limits are measured: tools/benchmark/README.md.
"""

import dataclasses
import functools

import numpy as np

from spl_tf.data.duplicates.fingerprints import SIDE

DISTANCE_LIMIT = 0.17
_STILL_LIMIT = 0.02
# Grey levels of pictures of 16 x 16. Below the first nothing moves, below the second there is nothing to see.
_LEAST_MOTION = 0.2
_LEAST_STRUCTURE = 4.0
# Small changes are closer to an encoder's noise.
_STEPS_MAY_FALL_SHORT = 0.15
# Before the alignment, in pictures of 8 x 8.
_HOPELESS = 0.6
# Sides of the pictures, and steps of the alignment at each.
_LEVELS = ((8, 6), (16, 4), (32, 3))
_LEAST_OVERLAP = 0.45
_LARGEST_STEP = 0.08
_SCALES = (0.6, 1.6)


@dataclasses.dataclass(frozen=True)
class Window:
    """The part of a picture that another one shows: scale and shift of its middle, as shares of the side."""

    x_scale: float = 1.0
    x_shift: float = 0.0
    y_scale: float = 1.0
    y_shift: float = 0.0


def distance(first: np.ndarray, second: np.ndarray, window: Window = Window()) -> float:
    """1 - correlation of two fingerprints [T, SIDE, SIDE]: 0 for copies, about 1 for strangers.

    Infinity where there is no evidence: flat or dark pictures. The distance of still videos is
    scaled so that DISTANCE_LIMIT is right for them too.

    Args:
      first: a fingerprint.
      second: another one.
      window: where in `first` the search for the part that `second` shows begins.
    """
    first, second = first.astype(np.float32), second.astype(np.float32)
    away, is_still = _compared(first, second, window, 8)
    if away <= _HOPELESS:
        away, is_still = _compared(first, second, _align(first, second, window), 16)
    return max(0.0, away) * (DISTANCE_LIMIT / _STILL_LIMIT if is_still else 1.0)


def _compared(first: np.ndarray, second: np.ndarray, window: Window, side: int) -> tuple[float, bool]:
    """1 - correlation of pictures of side x side, and whether it is of still pictures; infinity without evidence."""
    shown, valid = _shown(first, window)
    size = SIDE // side
    valid = np.all(valid.reshape(side, size, side, size), axis=(1, 3))
    if valid.mean() < _LEAST_OVERLAP:
        return np.inf, False
    shown, second = _centered(_pooled(shown, side), valid), _centered(_pooled(second, side), valid)
    if min(shown.std(), second.std()) < _LEAST_STRUCTURE:
        return np.inf, False
    changes = np.diff(shown, axis=0), np.diff(second, axis=0)
    motion = [change.std() for change in changes]
    if min(motion) >= _LEAST_MOTION:
        alike = _correlation(*changes), _in_most_moments(shown, second), _over_steps(*changes) + _STEPS_MAY_FALL_SHORT
        return 1.0 - min(alike), False
    if max(motion) >= 2 * _LEAST_MOTION:
        return np.inf, False
    return 1.0 - _correlation(shown, second), True


def _in_most_moments(first: np.ndarray, second: np.ndarray) -> float:
    """The correlation that four of five pictures reach; dark and flat ones say nothing.

    Uploads that share a few pieces differ for a part of the time, which the largest changes, the cuts, may hide.
    """
    seen = np.minimum(first.std(axis=1), second.std(axis=1)) >= _LEAST_STRUCTURE
    correlations = [_correlation(*pair) for pair in zip(first[seen], second[seen], strict=True)]
    return float(np.quantile(correlations, 0.2)) if correlations else 1.0


def _over_steps(first: np.ndarray, second: np.ndarray) -> float:
    """The mean correlation of single changes, the large ones weighted less than in the whole correlation.

    Two moments of one pair of scenes, cut at the same time, share their one large change and no other.
    """
    weights = np.sqrt(np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1))
    correlations = [_correlation(*pair) for pair in zip(first, second, strict=True)]
    return float(np.average(correlations, weights=np.maximum(weights, 1e-6)))


def _align(first: np.ndarray, second: np.ndarray, window: Window) -> Window:
    """The window of `first` that `second` shows, by Gauss-Newton steps from coarse to fine."""
    best = np.array(dataclasses.astuple(window))
    for side, steps in _LEVELS:
        coarse, target = _pooled(first, side), _pooled(second, side)
        place = (np.arange(side) - (side - 1) / 2) / side
        position, highest = best, -np.inf
        for _ in range(steps + 1):
            shown, valid = _shown(coarse, Window(*position))
            if valid.mean() < _LEAST_OVERLAP:
                break
            values, wanted = _centered(shown, valid), _centered(target, valid)
            correlation = _correlation(values, wanted)
            if correlation > highest:
                best, highest = position, correlation
            by_y, by_x = np.gradient(shown, axis=(1, 2))
            by_x, by_y = by_x * (side / position[0]), by_y * (side / position[2])
            slopes = np.stack(
                [_centered(slope, valid).ravel() for slope in (by_x * place, by_x, by_y * place[:, None], by_y)]
            )
            # Contrast: `second` may be a brighter or paler copy.
            gain = max(float((values * wanted).sum() / max(float((values**2).sum()), 1e-6)), 0.2)
            rest = (wanted / gain - values).ravel()
            normal = slopes @ slopes.T
            normal += np.eye(4) * (1e-3 * np.trace(normal) / 4 + 1e-6)
            step = np.clip(np.linalg.solve(normal, slopes @ rest), -_LARGEST_STEP, _LARGEST_STEP)
            position = position + step
            position[[0, 2]] = np.clip(position[[0, 2]], *_SCALES)
    return Window(*map(float, best))


def _shown(pictures: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The window of [T, S, S] brought to S x S, and where it lies inside the picture, bool [S, S]."""
    side = pictures.shape[-1]
    rows, rows_inside = sampling(side, window.y_scale, window.y_shift)
    columns, columns_inside = sampling(side, window.x_scale, window.x_shift)
    return rows @ pictures @ columns.T, rows_inside[:, None] & columns_inside


def sampling(side: int, scale: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation along one axis as a matrix [S, S], and which of the S places lie inside."""
    middle = (side - 1) / 2
    places = scale * (np.arange(side) - middle) + shift * side + middle
    inside = (places >= -0.5) & (places <= side - 0.5)
    places = np.clip(places, 0, side - 1)
    below = np.minimum(places.astype(int), side - 2)
    matrix = np.zeros((side, side), np.float32)
    matrix[np.arange(side), below] = 1 - (places - below)
    matrix[np.arange(side), below + 1] += places - below
    return matrix, inside


@functools.lru_cache
def pooling(side: int) -> np.ndarray:
    """Means of neighbours along one axis as a matrix [side, SIDE]."""
    return np.kron(np.eye(side, dtype=np.float32), np.full((1, SIDE // side), side / SIDE, np.float32))


def _pooled(pictures: np.ndarray, side: int) -> np.ndarray:
    return pictures if side == SIDE else pooling(side) @ pictures @ pooling(side).T


def _centered(pictures: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The valid places of each picture less their mean, [T, places]."""
    values = pictures[:, valid]
    return values - values.mean(axis=1, keepdims=True)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    norms = float((first**2).sum()) * float((second**2).sum())
    return float((first * second).sum()) / max(norms, 1e-12) ** 0.5
