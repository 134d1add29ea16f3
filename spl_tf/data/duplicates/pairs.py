"""Pairs of videos that look alike are compared in processes: which are copies, and of which one shows a piece.

Threads would wait for each other: a pair's arrays are small, and much of the time goes to Python.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import threadpoolctl
from tqdm import tqdm

from spl_tf.data.duplicates.fingerprints import RATE
from spl_tf.data.duplicates.moments import View
from spl_tf.data.duplicates.near_duplicates import AROUND, DISTANCE_LIMIT, Match, compare
from spl_tf.data.workers import Failure, run_in_workers

# Of the shorter upload, the share of its time that the other one shows.
_MOST = 0.75
# Of less than these seconds more is chance: the limit on the distance falls as they do. Different clips of two or three
# seconds of something that swings lie at 0.04 and more.
_SURE_SECONDS = 6.0
# Of a held-out video, or of an upload that shows it: seconds, and the limit on the distance.
_PIECE_SECONDS = 2.0
_PIECE_LIMIT = 0.06
# What is so near is placed the other way round too: steps that a logo or a turned picture leads astray may not be then.
# Something must move, and for long enough: a still scene fits in time as one likes, and a second attempt at a short
# one is a second chance for chance.
_WORTH_REVERSING = 0.3
# Fewer are compared before a process has started.
_WORTH_PROCESSES = 100
_PER_JOB = 16
_SECONDS_PER_JOB = 600.0


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two videos and where they look alike.

    Attributes:
      first: pictures, uint8 [T, SIDE, SIDE].
      second: pictures, uint8 [U, SIDE, SIDE].
      view: in which the first is like the second.
      first_place: the moment, a picture of the first.
      second_place: and one of the second.
      by_pieces: whether it counts that one shows a piece of the other.
    """

    first: np.ndarray
    second: np.ndarray
    view: View
    first_place: int
    second_place: int
    by_pieces: bool


@dataclasses.dataclass(frozen=True)
class Common:
    """What two videos have in common.

    Attributes:
      distance: see `spl_tf.data.duplicates.near_duplicates.Match`.
      seconds: how much it is.
      is_most: whether that is most of the shorter one.
    """

    distance: float
    seconds: float
    is_most: bool


def compare_pairs(pairs: Sequence[Pair], num_workers: int) -> Iterator[Common | None]:
    """What each pair has in common, None where that is too little, in their order. Shows progress.

    Args:
      pairs: what looks alike.
      num_workers: processes.
    """
    jobs = [pairs[start : start + _PER_JOB] for start in range(0, len(pairs), _PER_JOB)]
    if len(pairs) < _WORTH_PROCESSES:
        results: Iterator = map(_compare_some, jobs)
    else:
        results = run_in_workers(_compare_some, jobs, num_workers=num_workers, seconds_per_job=_SECONDS_PER_JOB)
    with tqdm(total=len(pairs), desc="comparing", unit="pair", disable=not pairs) as bar:
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Failure):
                print(f"{len(job)} pairs that look alike were not compared: {result.kind} {result.detail}")
                result = [None] * len(job)
            yield from result
            bar.update(len(job))


def _compare_some(pairs: Sequence[Pair]) -> list[Common | None]:
    # How a product of matrices is rounded depends on the threads that share it.
    with threadpoolctl.threadpool_limits(1, "blas"):
        return [_compare(pair) for pair in pairs]


def _compare(pair: Pair) -> Common | None:
    shorter_seconds = min(len(pair.first), len(pair.second)) / RATE
    places = pair.first_place, pair.second_place
    for around in AROUND:
        match = compare(pair.first, pair.second, pair.view, *places, around)
        if common := _common(match, shorter_seconds, pair.by_pieces):
            return common
        if match.distance <= _WORTH_REVERSING:
            match = compare(pair.second, pair.first, pair.view.inverse(), *places[::-1], around)
            is_sure = match.moves and match.seconds >= _SURE_SECONDS
            if is_sure and (common := _common(match, shorter_seconds, pair.by_pieces)):
                return common
    return None


def _common(match: Match, shorter_seconds: float, by_pieces: bool) -> Common | None:
    is_most = is_copy(match, shorter_seconds)
    if is_most or (by_pieces and _is_piece(match)):
        return Common(max(0.0, match.distance), match.seconds, is_most)
    return None


def is_copy(match: Match, shorter_seconds: float) -> bool:
    """Whether what two videos have in common is most of the shorter one, and sure enough."""
    return match.seconds >= _MOST * shorter_seconds and match.distance <= DISTANCE_LIMIT * _sureness(match)


def _is_piece(match: Match) -> bool:
    return match.seconds >= _PIECE_SECONDS and match.distance <= _PIECE_LIMIT * _sureness(match)


def _sureness(match: Match) -> float:
    return min(1.0, match.seconds / _SURE_SECONDS)
