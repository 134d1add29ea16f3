"""Where and when in one video another one's pictures are: a window of the picture and a line in time.

Both are found by Gauss-Newton steps, from coarse pictures to fine. What a logo covers is left out at each step: the
places where the two differ most.
"""

import dataclasses
import functools

import numpy as np

from spl_tf.data.duplicates.fingerprints import SIDE

# Sides of the pictures, and steps.
COARSE = (8, 6)
FINE = (16, 4)
# Of the places, the share that must lie inside the window, and the share of those that is compared.
LEAST_OVERLAP = 0.45
_KEPT_PLACES = 0.88
_SCALES = (0.6, 1.6)
_SPEEDS = (0.4, 2.5)
# Of one step: of scales and shifts of the picture, of speed, of time in pictures.
_SLACK = 12
_LARGEST_STEPS = np.array([0.08, 0.08, 0.08, 0.08, 0.05, 0.7])
# Weights of the pictures around a time, by powers of how far it is behind the second of them.
_CATMULL_ROM = np.array([[0, 1, 0, 0], [-0.5, 0, 0.5, 0], [1, -2.5, 2, -0.5], [-0.5, 1.5, -1.5, 0.5]])


@dataclasses.dataclass(frozen=True)
class Window:
    """The part of a picture that another one shows: scale and shift of its middle, as shares of the side."""

    x_scale: float = 1.0
    x_shift: float = 0.0
    y_scale: float = 1.0
    y_shift: float = 0.0


@dataclasses.dataclass(frozen=True)
class Placement:
    """What of a first video a second one shows: picture t of the second is the first's at `speed * t + start`."""

    window: Window
    speed: float
    start: float

    def times(self, second: np.ndarray) -> np.ndarray:
        """Places in the first video of these of the second."""
        return self.speed * second + self.start


def align(
    first: np.ndarray, second: np.ndarray, places: np.ndarray, placement: Placement, level: tuple[int, int]
) -> Placement:
    """Improves a placement.

    Args:
      first: pictures, float32 [T, SIDE, SIDE].
      second: pictures, float32 [U, SIDE, SIDE].
      places: which pictures of `second` are compared, at equal distances, int [n].
      placement: where the search begins.
      level: COARSE or FINE.
    """
    side, steps = level
    times = placement.times(places)
    # Only what is looked at is made coarse: a video may be long.
    begin, end = max(0, int(times.min()) - _SLACK), int(times.max()) + _SLACK
    coarse, targets = pooled(first[begin:end], side), pooled(second[places], side)
    moved = dataclasses.replace(placement, start=placement.start - begin)
    found = _improved(coarse, targets, places.astype(float), moved, steps)
    return dataclasses.replace(found, start=found.start + begin)


def _improved(
    first: np.ndarray, targets: np.ndarray, places: np.ndarray, placement: Placement, steps: int
) -> Placement:
    side = first.shape[-1]
    middle = places.mean()
    # Time as speed and as the place of the middle: the two are then nearly independent.
    position = np.array([*dataclasses.astuple(placement.window), placement.speed, placement.times(middle)])
    best, highest = position, -np.inf
    for step_number in range(steps + 1):
        times = position[4] * (places - middle) + position[5]
        is_inside = (times >= 0) & (times <= len(first) - 1)
        if np.count_nonzero(is_inside) < 3:
            break
        moments = times[is_inside]
        shown, valid = seen(first, moments, Window(*position[:4]))
        if valid.mean() < LEAST_OVERLAP:
            break
        inside = np.flatnonzero(valid)
        values = _centred(shown.reshape(len(shown), -1)[:, inside])
        wanted = _centred(targets[is_inside].reshape(len(shown), -1)[:, inside])
        rest = wanted / _gain(values, wanted) - values
        kept = least_different(np.abs(rest))
        correlation = correlation_of(values[:, kept], wanted[:, kept])
        if correlation > highest:
            best, highest = position, correlation
        if step_number == steps:
            break
        slopes = _slopes(shown, position, moments[1] - moments[0], places[is_inside] - middle)
        slopes = _centred(slopes.reshape(6, len(shown), side**2)[:, :, inside])[:, :, kept].reshape(6, -1)
        normal = (slopes @ slopes.T).astype(float)
        # Each is damped by itself: a scene that stands still says nothing about time.
        normal += np.diag(1e-3 * np.diag(normal) + 1e-3 * len(moments))
        step = np.linalg.solve(normal, slopes @ rest[:, kept].ravel())
        position = position + np.minimum(np.maximum(step, -_LARGEST_STEPS), _LARGEST_STEPS)
        position[[0, 2]] = np.clip(position[[0, 2]], *_SCALES)
        position[4] = np.clip(position[4], *_SPEEDS)
    return Placement(Window(*map(float, best[:4])), float(best[4]), float(best[5] - best[4] * middle))


def _slopes(shown: np.ndarray, position: np.ndarray, interval: float, since: np.ndarray) -> np.ndarray:
    """How [n, S, S] change with scale and shift along x and y, with speed and with time, float32 [6, n, S, S].

    Args:
      shown: pictures at equal distances in time.
      position: where they were taken, as `_improved` has it.
      interval: from one to the next.
      since: when each is shown, from the middle.
    """
    side = shown.shape[-1]
    offsets = ((np.arange(side) - (side - 1) / 2) / side).astype(np.float32)
    by_time, by_y, by_x = np.gradient(shown)
    slopes = np.empty((6, *shown.shape), np.float32)
    np.multiply(by_x, side / position[0], out=slopes[1], casting="same_kind")
    np.multiply(slopes[1], offsets, out=slopes[0])
    np.multiply(by_y, side / position[2], out=slopes[3], casting="same_kind")
    np.multiply(slopes[3], offsets[:, None], out=slopes[2])
    np.divide(by_time, interval, out=slopes[5], casting="same_kind")
    np.multiply(slopes[5], since[:, None, None], out=slopes[4], casting="same_kind")
    return slopes


def seen(pictures: np.ndarray, times: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The window of [T, S, S] at these times, brought to S x S, and where it lies inside the picture, bool [S, S]."""
    side = pictures.shape[-1]
    rows, rows_inside = sampling(side, window.y_scale, window.y_shift)
    columns, columns_inside = sampling(side, window.x_scale, window.x_shift)
    return rows @ at_times(pictures, times) @ columns.T, rows_inside[:, None] & columns_inside


def at_times(pictures: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Pictures between those of [T, S, S], by cubic (Catmull-Rom) interpolation."""
    times = np.minimum(np.maximum(times, 0), len(pictures) - 1)
    below = np.floor(times).astype(int)
    weights = ((times - below)[:, None] ** np.arange(4) @ _CATMULL_ROM).astype(np.float32)
    around = np.minimum(np.maximum(below[:, None] + np.arange(-1, 3), 0), len(pictures) - 1)
    neighbours = pictures.reshape(len(pictures), -1)[around]
    return (weights[:, None] @ neighbours).reshape(len(times), *pictures.shape[1:])


def sampling(side: int, scale: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation along one axis as a matrix [S, S], and which of the S places lie inside."""
    middle, numbers = (side - 1) / 2, np.arange(side)
    places = scale * (numbers - middle) + shift * side + middle
    inside = (places >= -0.5) & (places <= side - 0.5)
    places = np.minimum(np.maximum(places, 0), side - 1)
    return np.maximum(1 - np.abs(places[:, None] - numbers), 0).astype(np.float32), inside


@functools.lru_cache
def pooling(side: int) -> np.ndarray:
    """Means of neighbours along one axis as a matrix [side, SIDE]."""
    return np.kron(np.eye(side, dtype=np.float32), np.full((1, SIDE // side), side / SIDE, np.float32))


def pooled(pictures: np.ndarray, side: int) -> np.ndarray:
    """[T, side, side]."""
    return pictures if side == SIDE else pooling(side) @ pictures @ pooling(side).T


def least_different(away: np.ndarray) -> np.ndarray:
    """The places that differ least most of the time, bool [places], by differences [T, places].

    A logo differs all the time. Median and quantile as NumPy has them, in a fifth of the time for so few.
    """
    low, high = (len(away) - 1) // 2, len(away) // 2
    ordered = np.partition(away, (low, high), axis=0)
    middle = ordered[low] + ordered[high]
    rank = int(_KEPT_PLACES * (len(middle) - 1))
    return middle <= np.partition(middle, rank)[rank]


def _centred(pictures: np.ndarray) -> np.ndarray:
    """Pictures [..., places] less the mean of each."""
    return pictures - pictures.sum(axis=-1, keepdims=True) / np.float32(pictures.shape[-1])


def _gain(values: np.ndarray, wanted: np.ndarray) -> float:
    """Contrast: the second may be a brighter or paler copy."""
    return max(float((values * wanted).sum() / max(float((values**2).sum()), 1e-6)), 0.2)


def correlation_of(first: np.ndarray, second: np.ndarray) -> float:
    norms = float((first**2).sum()) * float((second**2).sum())
    return float((first * second).sum()) / max(norms, 1e-12) ** 0.5
