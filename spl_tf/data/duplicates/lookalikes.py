"""Pairs of videos that may share a piece, found without comparing all pairs.

Each video is known by its moments, see `spl_tf.data.duplicates.moments`, and each moment is looked for in several
views: as it would look without some of its borders, mirrored, or at another speed. What is found in a few cells,
see `spl_tf.data.duplicates.cells`, must be alike for some seconds more.

Threads share the work, each with one core: what is found does not depend on how many there are.
"""

import concurrent.futures
import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import threadpoolctl
from tqdm import tqdm

from spl_tf.data.duplicates.alignment import Window
from spl_tf.data.duplicates.cells import most_similar, sorted_into_cells
from spl_tf.data.duplicates.fingerprint_files import Chunk
from spl_tf.data.duplicates.moments import Moments, Run, View, coarse_pictures, find_moments, stays, vectors
from spl_tf.data.duplicates.surroundings import goes_on, surroundings

LEAST_SIMILARITY = 0.82
# A copy has several moments: not each of them must be found.
_CELLS_LOOKED_AT = 4
# Of one view of a moment in one cell; the most similar ones are kept.
_MOST_PARTNERS = 4
# Beyond those, what is that similar and could not be compared is counted.
_VERY_SIMILAR = 0.95
# What a pair's changes must reach, where they are more than this share of a vector: correlation.
_LEAST_CHANGE = 0.45
_LEAST_MOTION = 0.03


def _cut(x: float, y: float) -> Window:
    """What is left without these shares of the sides, on both sides."""
    return Window(1 - 2 * x, 0.0, 1 - 2 * y, 0.0)


_WINDOWS = (Window(), _cut(0.07, 0.07), _cut(0.14, 0.14), _cut(0.12, 0), _cut(0, 0.12))
VIEWS = (
    *(View(window, is_mirrored) for window in _WINDOWS for is_mirrored in (False, True)),
    View(speed=1.12),
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


def find_lookalikes(chunks: Sequence[Chunk], wanted: np.ndarray, by_pieces: np.ndarray, num_workers: int) -> Lookalikes:
    """Finds the pairs among the wanted videos.

    Args:
      chunks: the fingerprints in order, which may lie on disk.
      wanted: which of them take part, bool [N].
      by_pieces: those of which already a piece in another one is looked for, bool [N].
      num_workers: threads.
    """
    pool = concurrent.futures.ThreadPoolExecutor(num_workers)
    try:
        # How a product of matrices is rounded depends on the threads that share it.
        with threadpoolctl.threadpool_limits(1, "blas"):
            moments = find_moments(chunks, wanted, pool.map)
            if not len(moments):
                return Lookalikes(np.zeros((0, 5), np.int64), 0, 0)
            return _find(chunks, moments, by_pieces, pool.map)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for what has not begun.


@dataclasses.dataclass(frozen=True)
class _Known:
    """Moments, all coarse pictures as they are, the moments' vectors, and of which videos pieces count."""

    moments: Moments
    plain: np.ndarray
    vectors: np.ndarray
    by_pieces: np.ndarray


def _find(chunks: Sequence[Chunk], moments: Moments, by_pieces: np.ndarray, run: Run) -> Lookalikes:
    plain = coarse_pictures(chunks, Window(), run)
    known = _Known(moments, plain, vectors(plain, moments, View(), run), by_pieces)
    cells = sorted_into_cells(known.vectors, run)
    best, compared, left_out = np.zeros((0, 6)), 0, 0
    coarse, window = plain, Window()
    for number, view in enumerate(VIEWS):
        if view.window != window:
            window = view.window
            coarse = plain if window == Window() else coarse_pictures(chunks, window, run)
        queries = vectors(coarse, moments, view, run)
        jobs = cells.jobs(queries, _CELLS_LOOKED_AT, run)
        results = run(functools.partial(_compared, known, number, coarse, queries), jobs)
        found = [best]
        name, is_last = f"look-alikes, view {number + 1} of {len(VIEWS)}", number == len(VIEWS) - 1
        for pairs, more in tqdm(results, total=len(jobs), desc=name, unit="cell", leave=is_last):
            found.append(pairs)
            left_out += more
        compared += sum(len(rows) * len(inside) for rows, inside in jobs)
        best = _best_of_each(np.concatenate(found))
    return Lookalikes(best[:, :5].astype(np.int64), compared, left_out)


def _compared(
    known: _Known, number: int, coarse: np.ndarray, queries: np.ndarray, job: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, int]:
    """Of a cell and some queries for it the pairs that look alike, [P, 6], and how many very similar are left out.

    Args:
      known: all moments.
      number: of the view.
      coarse: pictures seen through its window.
      queries: vectors of the moments in that view.
      job: rows of those, and of the known vectors.
    """
    (rows, inside), moments = job, known.moments
    first, second = queries[rows], known.vectors[inside]
    asking, answering, similarity, rest = most_similar(
        first, second, moments.owner[rows], moments.owner[inside], LEAST_SIMILARITY, _MOST_PARTNERS
    )
    moves = _moves_alike(stays(first)[asking], stays(second)[answering], similarity)
    rows, inside, similarity = rows[asking[moves]], inside[answering[moves]], similarity[moves]
    (asked, asking), (answered, answering) = (np.unique(places, return_inverse=True) for places in (rows, inside))
    around = surroundings(coarse, moments, asked, VIEWS[number]), surroundings(known.plain, moments, answered, View())
    videos = moments.owner[rows], moments.owner[inside]
    kept = goes_on(*around, (asking, answering), known.by_pieces[videos[0]] != known.by_pieces[videos[1]])
    places = [moments.place[positions] - moments.first[positions] for positions in (rows, inside)]
    found = np.column_stack([*videos, np.full(len(kept), number), *places, similarity])[kept]
    return found, int(np.count_nonzero(rest >= _VERY_SIMILAR))


def _moves_alike(first: np.ndarray, second: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Which pairs of vectors are not alike by what stays alone, as most of one scene are, bool [P].

    Args:
      first: what stays in those of the one, see `stays`, float32 [P, COARSE_SIDE**2].
      second: and in those of the other.
      similarity: of the vectors, float32 [P].
    """
    still = np.einsum("pc,pc->p", first, second)
    energies = (np.maximum(1.0 - np.einsum("pc,pc->p", part, part), 0.0) for part in (first, second))
    low, high = np.sort(np.stack([*energies]), axis=0)
    return (similarity - still >= _LEAST_CHANGE * np.sqrt(low * high)) | (low < _LEAST_MOTION)


def _best_of_each(found: np.ndarray) -> np.ndarray:
    """Of [P, 6] (first, second, ..., similarity) the most similar row of each unordered pair."""
    low, high = found[:, :2].min(axis=1), found[:, :2].max(axis=1)
    # Whole pictures are alike both ways, but for rounding: then the better-ranked video comes first.
    found = found[np.lexsort((found[:, 0], -found[:, -1].round(5), high, low))]
    low, high = found[:, :2].min(axis=1), found[:, :2].max(axis=1)
    is_first = np.ones(len(found), bool)
    is_first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return found[is_first]
