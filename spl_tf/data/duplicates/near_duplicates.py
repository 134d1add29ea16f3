"""Which part of one video another one shows, and how surely: placed over each other, their changes are compared.

Pictures of two moments of one scene are alike: the same room, the same camera. What tells them apart is what
happens. So the differences of pictures half a second apart are compared, moment by moment; where nothing happens
the pictures themselves, more strictly. Brightness and contrast play no part.
The limits are measured: tools/benchmark/README.md.
"""

import dataclasses

import numpy as np

from spl_tf.data.duplicates.alignment import (
    COARSE,
    FINE,
    LEAST_OVERLAP,
    Placement,
    align,
    correlation_of,
    least_different,
    pooled,
    seen,
)
from spl_tf.data.duplicates.fingerprints import RATE
from spl_tf.data.duplicates.moments import COARSE_SIDE, View

DISTANCE_LIMIT = 0.1
_STILL_LIMIT = 0.03
# Grey levels. Below the first nothing moves, below the second there is nothing to see.
_LEAST_MOTION = 0.35
_LEAST_STRUCTURE = 4.0
_NOISE = 0.7
# Of a picture, the part that is shown: of less, one bright thing on another's ground is enough to be alike.
_LEAST_AREA = 0.47
# What a moment must reach: 1 - correlation of its changes within a second to both sides, correlation of its pictures.
_FARTHEST_CHANGE = 0.35
_LEAST_PICTURE = 0.8
# Before the alignment, and after the coarse one.
_HOPELESS_START = 0.5
_HOPELESS = 0.6
# Seconds around a moment: many are surer, few are enough for a short piece.
AROUND = (8.0, 3.0)
_LEAST_PICTURES = 5
_SPEEDS = (0.9, 1.0, 1.1)
_MOST_PICTURES = 48
_STEP = RATE // 2


@dataclasses.dataclass(frozen=True)
class Match:
    """What two videos have in common.

    Attributes:
      distance: 1 - correlation of the changes in what they have in common: 0 for copies, about 1 for strangers.
        Still ones have 1 - correlation of their pictures, scaled so that DISTANCE_LIMIT is right for both.
      seconds: of the second video, how much the first shows.
      moves: whether the distance is one of changes.
    """

    distance: float
    seconds: float
    moves: bool = False


NONE = Match(np.inf, 0.0)


def compare(
    first: np.ndarray, second: np.ndarray, view: View, first_place: int, second_place: int, around: float = AROUND[0]
) -> Match:
    """Finds what the second video shows of the first around two moments that are alike, and beyond them.

    Args:
      first: a fingerprint's pictures, uint8 [T, SIDE, SIDE].
      second: another one's, uint8 [U, SIDE, SIDE].
      view: how the first must be seen to be like the second.
      first_place: the moment, a picture of the first.
      second_place: and one of the second.
      around: seconds around the moment by which the two are placed over each other.
    """
    first, second = first.astype(np.float32), second.astype(np.float32)
    window, length = view.window, round(around * RATE)
    if view.is_mirrored:
        first, window = first[:, :, ::-1], dataclasses.replace(window, x_shift=-window.x_shift)
    begun = []
    for speed, start in _beginnings(first, second, view, first_place, second_place, length):
        placement = Placement(window, speed, start)
        places = _places(len(first), len(second), placement, second_place - length // 2, second_place + length // 2)
        if len(places):
            placement = align(first, second, places, placement, COARSE)
            begun.append((_likeness(first, second, placement, places), placement, places))
    if not begun:
        return NONE
    likeness, placement, places = max(begun, key=lambda one: one[0])
    if likeness < _HOPELESS:
        return NONE
    best, longest = NONE, 0
    # Placed by what is known to agree, more may agree.
    while len(places) and places[-1] - places[0] > longest:
        longest = int(places[-1] - places[0])
        placement = align(first, second, places, placement, FINE)
        match, agreeing = _matched(first, second, placement)
        best = max(best, match, key=lambda one: one.seconds)
        if not len(agreeing):
            break
        places = _places(len(first), len(second), placement, int(agreeing[0]), int(agreeing[-1]))
    return best


def _likeness(first: np.ndarray, second: np.ndarray, placement: Placement, places: np.ndarray) -> float:
    """Correlation of the changes in a placement; of the pictures where nothing moves."""
    shown, valid = seen(pooled(first, 8), placement.times(places), placement.window)
    if valid.mean() < LEAST_OVERLAP:
        return -1.0
    pictures = [_centered(part, valid) for part in (shown, pooled(second[places], 8))]
    changes = [part[_STEP:] - part[:-_STEP] for part in pictures]
    moves = min(change.std() for change in changes) >= _LEAST_MOTION
    return correlation_of(*(changes if moves else pictures))


def _beginnings(
    first: np.ndarray, second: np.ndarray, view: View, first_place: int, second_place: int, length: int
) -> list[tuple[float, float]]:
    """Speeds and starts in time at which the changes are most alike, from coarse pictures around the moment."""
    start = first_place - view.speed * second_place
    begin = max(0, min(second_place - length // 2, len(second) - length))
    piece = _changes(pooled(second[begin : begin + length], COARSE_SIDE))
    if not len(piece) or piece.std() < _LEAST_MOTION:
        return [(view.speed, start)]
    coarse = pooled(seen(first, np.arange(len(first)), view.window)[0], COARSE_SIDE)
    found = []
    for speed in (view.speed * factor for factor in _SPEEDS):
        count = max(1, int((len(coarse) - 1) / speed) + 1)
        changes = _changes(coarse[np.rint(np.arange(count) * speed).astype(int)])
        if len(changes):
            likeness, overlap = _sliding(changes, piece)
            likeness *= np.sqrt(overlap / (overlap + RATE))  # Of a short overlap much is chance.
            place = int(np.argmax(likeness))
            found.append((float(likeness[place]), speed, (place - len(piece) + 1 - begin) * speed))
    found = sorted((one for one in found if one[0] >= _HOPELESS_START), reverse=True)
    chosen: list[tuple[float, float]] = []
    middle = begin + len(piece) / 2
    for _, speed, start in found:  # Those that place the middle alike end alike.
        if all(abs((speed - other) * middle + start - other_start) > RATE for other, other_start in chosen):
            chosen.append((speed, start))
    return chosen


def _changes(pictures: np.ndarray) -> np.ndarray:
    """What each picture has more than the one half a second before, less its mean, [T - _STEP, places]."""
    flat = pictures.reshape(len(pictures), -1)
    changes = flat[_STEP:] - flat[:-_STEP]
    return changes - changes.mean(axis=1, keepdims=True)


def _sliding(changes: np.ndarray, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of `piece` with `changes` when its first row lies at -(len(piece) - 1) ... len(changes) - 1."""
    size = len(changes) + len(piece) - 1
    length = 1 << (size - 1).bit_length()
    turned = np.fft.rfft(piece[::-1], length, axis=0)
    products = np.fft.irfft((np.fft.rfft(changes, length, axis=0) * turned).sum(axis=1), length)[:size]
    ones = np.ones(len(piece))
    first = np.convolve((changes**2).sum(axis=1), ones)
    second = np.convolve((piece[::-1] ** 2).sum(axis=1), np.ones(len(changes)))
    overlap = np.convolve(np.ones(len(changes)), ones)
    return products / np.sqrt(np.maximum(first * second, 1e-6)), overlap


def _places(first_count: int, second_count: int, placement: Placement, begin: int, end: int) -> np.ndarray:
    """Of the second video's pictures from `begin` to `end` those that the first shows, in some steps."""
    ends = sorted((np.array([0, first_count - 1]) - placement.start) / placement.speed)
    low, high = max(0, int(np.ceil(ends[0]))), min(second_count - 1, int(np.floor(ends[1])))
    if high - low + 1 < _LEAST_PICTURES:
        return np.arange(0)
    # No fewer than can be placed.
    begin, end = min(max(begin, low), high - _LEAST_PICTURES + 1), max(min(end, high), low + _LEAST_PICTURES - 1)
    return np.arange(begin, end + 1, max(1, -(-(end - begin + 1) // _MOST_PICTURES)))


def _matched(first: np.ndarray, second: np.ndarray, placement: Placement) -> tuple[Match, np.ndarray]:
    """What the placed first agrees with, and with which of the second's pictures."""
    nothing = np.arange(0)
    places = np.arange(len(second))
    times = placement.times(places)
    places = places[(times >= -0.5) & (times <= len(first) - 0.5)]
    if len(places) < _LEAST_PICTURES:
        return NONE, nothing
    shown, valid = seen(first, placement.times(places), placement.window)
    area = placement.window.x_scale * placement.window.y_scale
    if valid.mean() < LEAST_OVERLAP or not _LEAST_AREA <= area <= 1 / _LEAST_AREA:
        return NONE, nothing
    # The finest detail depends on the size that a picture was made from.
    values, wanted = _centered(_smooth(shown), valid), _centered(_smooth(second[places]), valid)
    agrees = np.ones(len(places), bool)
    for _ in range(2):
        gain = (values[agrees] * wanted[agrees]).sum() / max((values[agrees] ** 2).sum(), 1e-6)
        kept = least_different(np.abs(wanted[agrees] - gain * values[agrees]))
        a, b = values[:, kept], wanted[:, kept]
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        picture = _rows(a, b)
        agrees, distance, moves = _agreement(a, b, picture)
        if agrees.sum() < _LEAST_PICTURES:
            return NONE, nothing
    return Match(distance, float(agrees.sum()) / RATE, moves), places[agrees]


def _agreement(first: np.ndarray, second: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, float, bool]:
    """Of centred pictures [T, places] which moments agree, bool [T], the distance over them, and whether of changes."""
    changes = [_padded(_differences(pictures)) for pictures in (first, second)]
    energies = [(change**2).sum(axis=1) for change in changes]
    product = (changes[0] * changes[1]).sum(axis=1)
    around = [_around(values) for values in (*energies, product)]
    motion = np.sqrt(np.stack(around[:2]) / first.shape[1])
    likeness = around[2] / np.sqrt(np.maximum(around[0] * around[1], 1e-6))
    away = _less_noise(1.0 - likeness, (motion**2).mean(axis=0))
    moves = motion.min(axis=0) >= _LEAST_MOTION
    stands = motion.max(axis=0) < 2 * _LEAST_MOTION
    structure = np.minimum(first.std(axis=1), second.std(axis=1)) >= _LEAST_STRUCTURE
    agrees = structure & (picture >= _LEAST_PICTURE)
    agrees &= np.where(moves, away <= _FARTHEST_CHANGE, stands & (picture >= 1 - _STILL_LIMIT))
    agrees = _without_short_runs(agrees)
    if not agrees.any():
        return agrees, np.inf, False
    if moves[agrees].mean() >= 0.1:
        return agrees, _distance(*(change[agrees & moves] for change in changes)), True
    return agrees, float(1.0 - picture[agrees].mean()) * DISTANCE_LIMIT / _STILL_LIMIT, False


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    """1 - correlation of changes [T, places], the large ones weighted less.

    Two moments of one pair of scenes, cut at the same time, share their one large change and no other.
    """
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    weights = 1.0 / np.sqrt(np.maximum(norms, 1.0))[:, None]
    energy = np.mean([np.square(changes).mean() for changes in (first, second)])
    root = np.sqrt(weights)
    return float(_less_noise(1.0 - correlation_of(root * first, root * second), energy))


def _less_noise(away: float | np.ndarray, energy: float | np.ndarray) -> float | np.ndarray:
    """A distance less what noise makes of it: where little moves, an encoder's noise is a part of the changes."""
    return away * energy / (energy + _NOISE**2)


def _differences(pictures: np.ndarray) -> np.ndarray:
    return pictures[_STEP:] - pictures[:-_STEP]


def _padded(changes: np.ndarray) -> np.ndarray:
    """One for each picture: the first and the last are there twice."""
    return np.pad(changes, ((_STEP // 2, _STEP - _STEP // 2), (0, 0)), "edge")


def _around(values: np.ndarray) -> np.ndarray:
    """Means within a second to both sides."""
    ones = np.ones(2 * RATE + 1)
    counts = np.convolve(np.ones(len(values)), ones, "full")[RATE : RATE + len(values)]
    return np.convolve(values, ones, "full")[RATE : RATE + len(values)] / counts


def _without_short_runs(agrees: np.ndarray) -> np.ndarray:
    """What agrees for less than a second is chance."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], agrees, [False]])))
    kept = np.zeros_like(agrees)
    for begin, end in edges.reshape(-1, 2):
        kept[begin:end] = end - begin >= min(RATE, len(agrees))
    return kept


def _smooth(pictures: np.ndarray) -> np.ndarray:
    """Each place with a quarter of its two neighbours, along both axes."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), "edge")
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16


def _centered(pictures: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The valid places of each picture less their mean, [T, places]."""
    values = pictures[:, valid]
    return values - values.mean(axis=1, keepdims=True)


def _rows(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation of each row with its fellow."""
    norms = (first**2).sum(axis=1) * (second**2).sum(axis=1)
    return (first * second).sum(axis=1) / np.sqrt(np.maximum(norms, 1e-12))
