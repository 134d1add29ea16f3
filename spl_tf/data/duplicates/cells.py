"""Which of many unit vectors are most like others, without comparing all of them.

The vectors are sorted into cells around centres taken from the data; a query is compared with those of the few cells
nearest to it, in products of matrices. An inverted file of faiss-cpu takes longer: tools/benchmark/README.md.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from spl_tf.data.duplicates.moments import Run

_CELL_SIZE = 600
_ONE_CELL_UP_TO = 8000
_POINTS_PER_CENTRE = 20
_CENTRE_STEPS = 4
# Nearest centres are found in the principal components, which hold nine tenths of what vectors differ in.
_COMPONENTS = 32
# Similarities computed at a time: they stay in the processor's cache.
_PRODUCT = 1_000_000


@dataclasses.dataclass(frozen=True)
class Cells:
    """Where vectors lie.

    Attributes:
      basis: principal components, float32 [LENGTH, C].
      centres: unit vectors, float32 [K, C].
      members: positions of each cell's vectors, in order, int64 [n] each.
    """

    basis: np.ndarray
    centres: np.ndarray
    members: list[np.ndarray]

    def jobs(self, queries: np.ndarray, count: int, run: Run) -> list[tuple[np.ndarray, np.ndarray]]:
        """What is to be compared: positions of queries, and of the vectors of one of their `count` nearest cells."""
        looked_at = _nearest(queries, self.basis, self.centres, count, run)
        askers = _grouped(looked_at.ravel(), len(self.centres))
        return [
            (part, inside)
            for inside, asked in zip(self.members, askers, strict=True)
            if len(inside)
            for part in parts(asked // looked_at.shape[1], max(1, _PRODUCT // len(inside)))
        ]


def sorted_into_cells(known: np.ndarray, run: Run) -> Cells:
    """Cells of about equal size by k-means on some of the vectors, float32 [n, LENGTH]; a single one for few."""
    count = 1 if len(known) <= _ONE_CELL_UP_TO else len(known) // _CELL_SIZE
    generator = np.random.default_rng(0)
    points = known[generator.permutation(len(known))[: count * _POINTS_PER_CENTRE]]
    basis = np.linalg.eigh(points.T @ points)[1][:, -_COMPONENTS:]
    centres = points[:count] @ basis
    for _ in range(_CENTRE_STEPS if count > 1 else 0):
        groups = _grouped(_nearest(points, basis, centres, 1, run)[:, 0], count)
        sums = [points[group].sum(axis=0) @ basis if len(group) else centres[i] for i, group in enumerate(groups)]
        centres = np.stack(sums)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-6)
    return Cells(basis, centres, _grouped(_nearest(known, basis, centres, 1, run)[:, 0], count))


def most_similar(
    queries: np.ndarray, known: np.ndarray, query_owners: np.ndarray, owners: np.ndarray, least: float, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each query the most similar known vectors of other owners.

    Args:
      queries: unit vectors, float32 [Q, LENGTH].
      known: unit vectors, float32 [n, LENGTH].
      query_owners: int64 [Q].
      owners: of the known ones, in ascending order, int64 [n].
      least: what is less similar is not listed.
      count: how many are listed of each query.

    Returns:
      query, place among the known ones, similarity, [P] each, and the similarities of all that would be listed next
      of those queries that have `count`, float32 [q, n].
    """
    similarity = queries @ known.T
    begin, end = (np.searchsorted(owners, query_owners, side) for side in ("left", "right"))
    own = end - begin
    column = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own - begin, own)
    similarity[np.repeat(np.arange(len(queries)), own), column] = -1.0
    rows, listed = np.arange(len(queries)), []
    for _ in range(count):  # Several times faster than sorting.
        place = similarity.argmax(axis=1)
        value = similarity[np.arange(len(rows)), place]
        is_listed = value >= least
        rows, place, value, similarity = (part[is_listed] for part in (rows, place, value, similarity))
        similarity[np.arange(len(rows)), place] = -1.0
        listed.append((rows, place, value))
    return *(np.concatenate(part) for part in zip(*listed, strict=True)), similarity


def parts(array: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(array), size):
        yield array[start : start + size]


def _nearest(vectors: np.ndarray, basis: np.ndarray, centres: np.ndarray, count: int, run: Run) -> np.ndarray:
    """The `count` most similar centres of each vector, all where there are fewer, int32 [n, count]."""

    def nearest(part: np.ndarray) -> np.ndarray:
        similarity = (part @ basis) @ centres.T
        found = np.empty((len(part), min(count, len(centres))), np.int32)
        for number in range(found.shape[1]):  # Several times faster than a partial sort of thousands.
            found[:, number] = similarity.argmax(axis=1)
            similarity[np.arange(len(part)), found[:, number]] = -np.inf
        return found

    return np.concatenate(list(run(nearest, parts(vectors, max(64, _PRODUCT // len(centres))))))


def _grouped(cells: np.ndarray, count: int) -> list[np.ndarray]:
    """Positions of each cell's entries, ascending."""
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.searchsorted(cells[order], np.arange(1, count)))
