"""Pairs of fingerprints that may be near-duplicates, found without comparing all pairs.

A fingerprint becomes a short vector: coarse pictures, of which what changes counts twice as much as
what stays. A border cut off moves everything in it, so each fingerprint is looked for in several
views, as it would look without some of its borders. Vectors are sorted into cells around centres
taken from the data, and a view is compared with the vectors of the few cells nearest to it.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from spl_tf.data.duplicates.fingerprints import MOMENTS, SIDE
from spl_tf.data.duplicates.near_duplicates import Window, pooling, sampling

LEAST_SIMILARITY = 0.82
_COARSE_SIDE = 4
_SHARE_OF_STILL = 0.5
_CELL_SIZE = 200
_ONE_CELL_UP_TO = 4000
_CELLS_LOOKED_AT = 8
_POINTS_PER_CENTRE = 20
_CENTRE_STEPS = 4
_CHUNK = 4096
# Of one view in one cell; the most similar ones are kept.
_MOST_PARTNERS = 32
# Similarities held in memory at a time.
_LARGEST_PRODUCT = 20_000_000


def _cut(left: float, right: float, top: float, bottom: float) -> Window:
    return Window(1 - left - right, (left - right) / 2, 1 - top - bottom, (top - bottom) / 2)


VIEWS = (
    Window(),
    _cut(0.07, 0.07, 0.07, 0.07),
    _cut(0.14, 0.14, 0.14, 0.14),
    _cut(0.12, 0.12, 0, 0),
    _cut(0, 0, 0.12, 0.12),
    *(_cut(*(0.12 * side for side in sides)) for sides in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))),
    *(_cut(*(0.12 * side for side in sides)) for sides in ((1, 0, 1, 0), (1, 0, 0, 1), (0, 1, 1, 0), (0, 1, 0, 1))),
)


@dataclasses.dataclass(frozen=True)
class Lookalikes:
    """Pairs worth an exact comparison, each listed once.

    Attributes:
      pairs: int64 [P, 3]: a fingerprint, another one, and the view of the first that is like the second.
      compared: how many views were compared with a vector.
      left_out: pairs beyond the most similar ones of a view in a cell.
    """

    pairs: np.ndarray
    compared: int
    left_out: int


def find_lookalikes(chunks: Sequence[np.ndarray], wanted: np.ndarray) -> Lookalikes:
    """Finds the pairs among the wanted fingerprints.

    Args:
      chunks: the fingerprints in order, arrays of uint8 [n, MOMENTS, SIDE, SIDE], which may lie on disk.
      wanted: which of them take part, bool [N].
    """
    vectors = _vectors(chunks, VIEWS[0], wanted)
    centres = _centres(vectors)
    cells = np.concatenate([_nearest(part, centres, 1)[:, 0] for part in _parts(vectors)])
    members = _grouped(cells, len(centres))
    best, compared, left_out = np.zeros((0, 4)), 0, 0
    for view, window in enumerate(tqdm(VIEWS, desc="looking for look-alikes", unit="view")):
        queries = vectors if view == 0 else _vectors(chunks, window, wanted)
        looked_at = np.concatenate([_nearest(part, centres, _CELLS_LOOKED_AT) for part in _parts(queries)])
        askers = _grouped(looked_at.ravel(), len(centres))
        found = [best]
        for cell, inside in enumerate(members):
            rows = askers[cell] // looked_at.shape[1]
            for part in _parts(rows, max(1, _LARGEST_PRODUCT // max(1, len(inside)))):
                pairs, more = _similar(queries, part, vectors, inside)
                found.append(np.column_stack([pairs, np.full(len(pairs), view)]))
                compared += len(part) * len(inside)
                left_out += more
        best = _best_of_each(np.concatenate(found))
    return Lookalikes(best[:, [0, 1, 3]].astype(np.int64), compared, left_out)


def _vectors(chunks: Sequence[np.ndarray], window: Window, wanted: np.ndarray) -> np.ndarray:
    """All fingerprints seen through a window, float32 [N, MOMENTS * _COARSE_SIDE**2]: unit vectors, 0 if not wanted."""
    rows = pooling(_COARSE_SIDE) @ sampling(SIDE, window.y_scale, window.y_shift)[0]
    columns = pooling(_COARSE_SIDE) @ sampling(SIDE, window.x_scale, window.x_shift)[0]
    both = np.kron(rows, columns).T
    vectors = np.empty((len(wanted), MOMENTS * _COARSE_SIDE**2), np.float32)
    start = 0
    for part in itertools.chain.from_iterable(map(_parts, chunks)):
        coarse = (part.reshape(-1, SIDE * SIDE).astype(np.float32) @ both).reshape(len(part), MOMENTS, -1)
        coarse -= coarse.mean(axis=2, keepdims=True)
        coarse -= (1 - _SHARE_OF_STILL) * coarse.mean(axis=1, keepdims=True)
        vector = coarse.reshape(len(part), -1)
        vectors[start : start + len(part)] = vector / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-6)
        start += len(part)
    vectors[~wanted] = 0.0
    return vectors


def _centres(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors around which the others lie, by k-means on some of them; a single one for few."""
    count = 1 if len(vectors) <= _ONE_CELL_UP_TO else len(vectors) // _CELL_SIZE
    generator = np.random.default_rng(0)
    points = vectors[generator.permutation(len(vectors))[: count * _POINTS_PER_CENTRE]]
    centres = points[:count]
    for _ in range(_CENTRE_STEPS if count > 1 else 0):
        groups = _grouped(np.concatenate([_nearest(part, centres, 1)[:, 0] for part in _parts(points)]), count)
        sums = np.stack([points[group].sum(axis=0) if len(group) else centres[i] for i, group in enumerate(groups)])
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return centres


def _nearest(vectors: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """The `count` most similar centres of each vector, int64 [N, count], in no order."""
    if count >= len(centres):
        return np.tile(np.arange(len(centres)), (len(vectors), 1))
    return np.argpartition(vectors @ centres.T, -count, axis=1)[:, -count:]


def _grouped(cells: np.ndarray, count: int) -> list[np.ndarray]:
    """Positions of each cell's entries."""
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.searchsorted(cells[order], np.arange(1, count)))


def _parts(array: np.ndarray, size: int = _CHUNK) -> Iterator[np.ndarray]:
    for start in range(0, len(array), size):
        yield array[start : start + size]


def _similar(queries: np.ndarray, rows: np.ndarray, vectors: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, int]:
    """Similar ones of `vectors[inside]` for `queries[rows]`: [P, 3] of row, position, similarity; and how many more."""
    similarity = queries[rows] @ vectors[inside].T
    row, place = np.divmod(np.flatnonzero(similarity >= LEAST_SIMILARITY), len(inside))
    is_other = rows[row] != inside[place]
    row, place = row[is_other], place[is_other]
    order = np.lexsort((-similarity[row, place], row))
    row, place = row[order], place[order]
    number_in_row = np.arange(len(row)) - np.searchsorted(row, row)
    is_listed = number_in_row < _MOST_PARTNERS
    row, place = row[is_listed], place[is_listed]
    pairs = np.column_stack([rows[row], inside[place], similarity[row, place]])
    return pairs, len(is_listed) - len(pairs)


def _best_of_each(found: np.ndarray) -> np.ndarray:
    """Of [P, 4] (first, second, similarity, view), those with the most similar view of each unordered pair."""
    low, high = found[:, :2].min(axis=1), found[:, :2].max(axis=1)
    found = found[np.lexsort((-found[:, 2], high, low))]
    low, high = found[:, :2].min(axis=1), found[:, :2].max(axis=1)
    is_first = np.ones(len(found), bool)
    is_first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return found[is_first]
