"""Pairs of videos that may share a piece, found without comparing all pairs.

Each video is known by its moments, see `spl_tf.data.duplicates.moments`, and each moment is looked for in several
views: as it would look without some of its borders, mirrored, or at another speed. The vectors are sorted into
cells around centres taken from the data, and a view is compared with the vectors of the few cells nearest to it.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from spl_tf.data.duplicates.alignment import Window
from spl_tf.data.duplicates.fingerprint_files import Chunk
from spl_tf.data.duplicates.fingerprints import RATE
from spl_tf.data.duplicates.moments import Moments, View, coarse_pictures, find_moments, vectors

LEAST_SIMILARITY = 0.82
_CELL_SIZE = 600
_ONE_CELL_UP_TO = 8000
# A copy has several moments: not each of them must be found.
_CELLS_LOOKED_AT = 4
_POINTS_PER_CENTRE = 20
_CENTRE_STEPS = 4
_CHUNK = 4096
# Of one view of a moment in one cell; the most similar ones are kept.
_MOST_PARTNERS = 4
# Beyond those, what is that similar and could not be compared is counted.
_VERY_SIMILAR = 0.95
# Pictures up to four seconds away, and what these must reach: the correlation of the pictures, and that of their
# changes, higher where there are few. Grey levels.
_LONG_OFFSETS = np.arange(-4 * RATE, 4 * RATE + 1, RATE // 2)
# Of those, what a piece may show: up to a second behind, from a second before, a second and a half to both sides.
_STRETCHES = (slice(0, 11), slice(6, 17), slice(5, 12))
_LEAST_LONG_LIKENESS = 0.8
_LEAST_LONG_CHANGE = 0.5
_MORE_FOR_ONE = 0.5
_NOISE = 0.3
# Similarities held in memory at a time.
_LARGEST_PRODUCT = 20_000_000


def _cut(x: float, y: float) -> Window:
    """What is left without these shares of the sides, on both sides."""
    return Window(1 - 2 * x, 0.0, 1 - 2 * y, 0.0)


_WINDOWS = (Window(), _cut(0.07, 0.07), _cut(0.14, 0.14), _cut(0.12, 0), _cut(0, 0.12))
VIEWS = (
    *(View(window, is_mirrored) for is_mirrored in (False, True) for window in _WINDOWS),
    View(speed=1.4),
    View(speed=2.0),
)


@dataclasses.dataclass(frozen=True)
class Lookalikes:
    """Pairs worth an exact comparison, each listed once.

    Attributes:
      pairs: int64 [P, 5]: a video, another one, the view in which the first is like the second, and the moment
        of each, as a place among its pictures.
      compared: how many views of moments were compared with a vector.
      left_out: pairs of very similar moments beyond the most similar ones of a view in a cell.
    """

    pairs: np.ndarray
    compared: int
    left_out: int


def find_lookalikes(chunks: Sequence[Chunk], wanted: np.ndarray, by_pieces: np.ndarray) -> Lookalikes:
    """Finds the pairs among the wanted videos.

    Args:
      chunks: the fingerprints in order, which may lie on disk.
      wanted: which of them take part, bool [N].
      by_pieces: those of which already a piece in another one is looked for, bool [N].
    """
    moments = find_moments(chunks, wanted)
    if not len(moments):
        return Lookalikes(np.zeros((0, 5), np.int64), 0, 0)
    plain = coarse_pictures(chunks, VIEWS[0])
    known = vectors(plain, moments, 1.0)
    centres = _centres(known)
    cells = np.concatenate([_nearest(part, centres, 1)[:, 0] for part in _parts(known)])
    members = _grouped(cells, len(centres))
    best, compared, left_out = np.zeros((0, 6)), 0, 0
    for number, view in enumerate(tqdm(VIEWS, desc="looking for look-alikes", unit="view")):
        coarse = plain if view == View(speed=view.speed) else coarse_pictures(chunks, view)
        queries = vectors(coarse, moments, view.speed)
        looked_at = np.concatenate([_nearest(part, centres, _CELLS_LOOKED_AT) for part in _parts(queries)])
        askers = _grouped(looked_at.ravel(), len(centres))
        found = [best]
        for cell, inside in enumerate(members):
            rows = askers[cell] // looked_at.shape[1]
            for part in _parts(rows, max(1, _LARGEST_PRODUCT // max(1, len(inside)))):
                asking, answering, similarity, more = _similar(queries, part, known, inside, moments.owner)
                pieces = by_pieces[moments.owner[asking]] != by_pieces[moments.owner[answering]]
                goes_on = _goes_on(coarse, plain, moments, asking, answering, view.speed, pieces)
                asking, answering, similarity = asking[goes_on], answering[goes_on], similarity[goes_on]
                videos = moments.owner[asking], moments.owner[answering], np.full(len(asking), number)
                places = [(moments.place - moments.first)[rows] for rows in (asking, answering)]
                found.append(np.column_stack([*videos, *places, similarity]))
                compared += len(part) * len(inside)
                left_out += more
        best = _best_of_each(np.concatenate(found))
    return Lookalikes(best[:, :5].astype(np.int64), compared, left_out)


def _goes_on(
    coarse: np.ndarray,
    plain: np.ndarray,
    moments: Moments,
    asking: np.ndarray,
    answering: np.ndarray,
    speed: float,
    pieces: np.ndarray,
) -> np.ndarray:
    """Which pairs of moments are alike for some seconds before and behind too, as far as both videos go, bool [P].

    Of `pieces`, bool [P], it is enough before, behind, or nearer.
    """
    kept = np.zeros(len(asking), bool)
    for part in _parts(np.arange(len(asking))):
        places, inside = moments.around(asking[part], np.rint(_LONG_OFFSETS * speed).astype(int))
        others, others_inside = moments.around(answering[part], _LONG_OFFSETS)
        both = (inside & others_inside)[..., None]
        first, second = coarse[places].astype(np.float32) * both, plain[others].astype(np.float32) * both
        kept[part] = _are_alike(first, second, both)
        some = np.flatnonzero(pieces[part] & ~kept[part])
        for stretch in _STRETCHES if len(some) else ():
            kept[part[some]] |= _are_alike(first[some, stretch], second[some, stretch], both[some, stretch])
    return kept


def _are_alike(first: np.ndarray, second: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Whether coarse pictures [P, O, places] and their changes agree, where both are there, bool [P, O, 1]."""
    alike = _correlations(_products(first, second).sum(axis=2)) >= _LEAST_LONG_LIKENESS
    steps = both[alike, 1:] & both[alike, :-1]
    products = _products(*(np.diff(pictures[alike], axis=1) * steps for pictures in (first, second)))
    # A cut is one large change of many: by itself it says little.
    changes = _correlations((products / np.sqrt(np.maximum(np.sqrt(products[1] * products[2]), 1.0))).sum(axis=2))
    count = np.maximum(steps.sum(axis=(1, 2)), 1)
    energy = products[1:].sum(axis=2).min(axis=0) / (count * first.shape[2])
    # Where little moves, an encoder's noise is a part of the changes.
    away = (1.0 - changes) * energy / (energy + _NOISE**2)
    alike[alike] = away <= 1.0 - _LEAST_LONG_CHANGE - _MORE_FOR_ONE / np.sqrt(count)
    return alike


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each row of [P, O, places] with its fellow, and of both with themselves, [3, P, O]."""
    pairs = ((first, second), (first, first), (second, second))
    return np.stack([np.einsum("poc,poc->po", *pair) for pair in pairs])


def _correlations(products: np.ndarray) -> np.ndarray:
    """Of products [3, P] as `_products` gives them."""
    return products[0] / np.sqrt(np.maximum(products[1] * products[2], 1e-6))


def _centres(known: np.ndarray) -> np.ndarray:
    """Unit vectors around which the others lie, by k-means on some of them; a single one for few."""
    count = 1 if len(known) <= _ONE_CELL_UP_TO else len(known) // _CELL_SIZE
    generator = np.random.default_rng(0)
    points = known[generator.permutation(len(known))[: count * _POINTS_PER_CENTRE]]
    centres = points[:count]
    for _ in range(_CENTRE_STEPS if count > 1 else 0):
        groups = _grouped(np.concatenate([_nearest(part, centres, 1)[:, 0] for part in _parts(points)]), count)
        sums = np.stack([points[group].sum(axis=0) if len(group) else centres[i] for i, group in enumerate(groups)])
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return centres


def _nearest(known: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """The `count` most similar centres of each vector, all where there are fewer, int64 [N, count]."""
    similarity = known @ centres.T
    nearest = np.empty((len(known), min(count, len(centres))), np.int64)
    for number in range(nearest.shape[1]):  # Several times faster than a partial sort of thousands.
        nearest[:, number] = similarity.argmax(axis=1)
        similarity[np.arange(len(known)), nearest[:, number]] = -np.inf
    return nearest


def _grouped(cells: np.ndarray, count: int) -> list[np.ndarray]:
    """Positions of each cell's entries."""
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.searchsorted(cells[order], np.arange(1, count)))


def _parts(array: np.ndarray, size: int = _CHUNK) -> Iterator[np.ndarray]:
    for start in range(0, len(array), size):
        yield array[start : start + size]


def _similar(
    queries: np.ndarray, rows: np.ndarray, known: np.ndarray, inside: np.ndarray, owners: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Moments of other videos among `known[inside]` for `queries[rows]`: row, position, similarity; how many more."""
    similarity = queries[rows] @ known[inside].T
    row, place = np.divmod(np.flatnonzero(similarity >= LEAST_SIMILARITY), len(inside))
    is_other = owners[rows[row]] != owners[inside[place]]
    row, place = row[is_other], place[is_other]
    order = np.lexsort((-similarity[row, place], row))
    row, place = row[order], place[order]
    number_in_row = np.arange(len(row)) - np.searchsorted(row, row)
    is_listed = number_in_row < _MOST_PARTNERS
    more = int((similarity[row, place] >= _VERY_SIMILAR)[~is_listed].sum())
    row, place = row[is_listed], place[is_listed]
    return rows[row], inside[place], similarity[row, place], more


def _best_of_each(found: np.ndarray) -> np.ndarray:
    """Of [P, 6] (first, second, ..., similarity) the most similar row of each unordered pair."""
    low, high = found[:, :2].min(axis=1), found[:, :2].max(axis=1)
    found = found[np.lexsort((-found[:, -1], high, low))]
    low, high = found[:, :2].min(axis=1), found[:, :2].max(axis=1)
    is_first = np.ones(len(found), bool)
    is_first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return found[is_first]
