"""Fingerprints of many videos on disk.

The video workers make them. They stay until the run is done, so that a killed one goes on. The pictures of a few
hundred videos are one file, which is mapped into memory; beside it lies what is known of each, with a checksum of
the pictures: files that do not fit together, or that were changed, are made anew.
"""

import dataclasses
import errno
import hashlib
import itertools
import json
import math
import os
import pathlib
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from spl_tf import files
from spl_tf.claims import Claims
from spl_tf.data.duplicates.fingerprints import RATE, SIDE, VERSION, Fingerprint, Interval, fingerprint
from spl_tf.data.workers import run_in_workers
from spl_tf.stored import read_json

_PER_FILE = 256
_PER_PIECE = 32  # What one of several tasks makes at once; divides _PER_FILE.
_SECONDS_BETWEEN_SAVES = 30.0


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Fingerprints of successive videos.

    Attributes:
      pictures: of all of them, uint8 [T, SIDE, SIDE], may be mapped from disk.
      starts: where each one's begin, and T, int64 [n + 1]. A video without a fingerprint has none.
    """

    pictures: np.ndarray
    starts: np.ndarray


class FingerprintFiles:
    """Fingerprints in order.

    Attributes:
      parts: chunks of the pictures, and which of the videos are damaged, bool [n].
      chunks: those alone.
      is_made: which videos have a fingerprint, bool [N].
      is_damaged: which of them are damaged or short, bool [N].
      seconds: the length of what was decoded, float64 [N].
    """

    def __init__(self, parts: Sequence[tuple[Chunk, np.ndarray]]):
        self.parts = parts
        self.chunks = [chunk for chunk, _ in parts]
        self._starts = np.cumsum([0, *(len(chunk.starts) - 1 for chunk in self.chunks)])
        counts = np.concatenate([np.zeros(0, np.int64), *(np.diff(chunk.starts) for chunk in self.chunks)])
        self.is_made = counts > 0
        self.is_damaged = np.concatenate([np.zeros(0, bool), *(is_damaged for _, is_damaged in parts)])
        self.seconds = counts / RATE

    def __getitem__(self, position: int) -> np.ndarray:
        """uint8 [T, SIDE, SIDE]."""
        number = int(np.searchsorted(self._starts, position, side="right")) - 1
        chunk, place = self.chunks[number], position - self._starts[number]
        return np.asarray(chunk.pictures[chunk.starts[place] : chunk.starts[place + 1]])


def make_fingerprints(
    intervals: Sequence[Interval], folder: pathlib.Path, num_workers: int, seconds_per_video: float
) -> FingerprintFiles:
    """Makes the fingerprints that are not in the folder yet.

    A video that cannot be decoded in time has none. A later run tries it again: it may have more time or memory.

    Raises:
      OSError: the folder cannot be written to.
    """
    parts = [intervals[start : start + _PER_FILE] for start in range(0, len(intervals), _PER_FILE)]
    paths = [folder / _digest(part) for part in parts]
    for part, path in zip(parts, paths, strict=True):
        _gather(part, path, folder)
    missing = {path: _missing(path, len(part)) for part, path in zip(parts, paths, strict=True)}
    jobs = [part[place] for part, path in zip(parts, paths, strict=True) for place in missing[path]]
    results = run_in_workers(fingerprint, jobs, num_workers=num_workers, seconds_per_job=seconds_per_video)
    with tqdm(total=len(intervals), initial=len(intervals) - len(jobs), desc="fingerprints", unit="video") as bar:
        for part, path in zip(parts, paths, strict=True):
            if missing[path]:
                _fill(_load_all(path, len(part)), missing[path], results, path, bar)
    parts_made = [_load(path) for path in paths]
    if any(part is None for part in parts_made):
        raise OSError(errno.EIO, "files of fingerprints changed while they were read", str(folder))
    return FingerprintFiles([part for part in parts_made if part is not None])


def list_pieces(intervals: Sequence[Interval], path: pathlib.Path) -> None:
    """Writes down what several tasks make by `make_pieces`: the intervals that `make_fingerprints` will be given."""
    pieces = _pieces(intervals)
    files.write_json(
        path, {_digest(piece): [list(map(_stored, dataclasses.astuple(one))) for one in piece] for piece in pieces}
    )


def _stored(value: Any) -> Any:
    return None if value == math.inf else value  # JSON knows no infinity, which is the end of a whole video.


def make_pieces(
    path: pathlib.Path, tasks: Claims, is_over: Callable[[str], bool], num_workers: int, seconds_per_video: float
) -> None:
    """Makes, with other tasks, the fingerprints that are listed, beside the list, until all are there.

    They save time alone: `make_fingerprints` takes what it finds, and makes what is missing, damaged, or of a video
    that changed or that another host could not decode.

    Args:
      path: the list, see `list_pieces`.
      tasks: this task's claims.
      is_over: whether nobody needs them any more.
      num_workers: processes of this task.
      seconds_per_video: a video that takes longer has no fingerprint.

    Raises:
      OSError: the folder cannot be written to.
    """
    listed = read_json(path, dict[str, list[tuple[str, float, float | None, float | None]]], "start all tasks again")
    pieces = {
        f"fingerprints-{name}": [
            Interval(video, start, math.inf if end is None else end, fps) for video, start, end, fps in piece
        ]
        for name, piece in listed.items()
    }
    marks = {unit: path.with_name(f"{unit}.made") for unit in pieces}
    total = sum(map(len, pieces.values()))
    with tqdm(total=total, desc="fingerprints of all tasks", unit="video", disable=not pieces) as bar:

        def is_done(unit: str) -> bool:
            return marks[unit].exists() or is_over(unit)

        for mine in tasks.rounds(list(pieces), is_done):
            for unit in mine:
                jobs = pieces[unit]
                results = run_in_workers(fingerprint, jobs, num_workers=num_workers, seconds_per_job=seconds_per_video)
                made = [result if isinstance(result, Fingerprint) else None for result in results]
                _save(made, path.with_name(unit.removeprefix("fingerprints-")))
                files.write_text(marks[unit], "")
                bar.update(len(jobs))


def _pieces(intervals: Sequence[Interval]) -> list[Sequence[Interval]]:
    return [intervals[start : start + _PER_PIECE] for start in range(0, len(intervals), _PER_PIECE)]


def _gather(part: Sequence[Interval], path: pathlib.Path, folder: pathlib.Path) -> None:
    """Makes one file of what tasks made in pieces, unless the file is there."""
    if path.with_suffix(".npz").exists() or not any(folder.glob("*.made")):
        return
    pieces = [_load_all(folder / _digest(piece), len(piece)) for piece in _pieces(part)]
    _save(list(itertools.chain.from_iterable(pieces)), path)


def _missing(path: pathlib.Path, count: int) -> list[int]:
    """Places of the fingerprints that a file has not."""
    return [place for place, made in enumerate(_load_all(path, count)) if made is None]


def _fill(
    made: list[Fingerprint | None], places: Sequence[int], results: Iterator[Any], path: pathlib.Path, bar: tqdm
) -> None:
    """Takes the next result for each place; saves from time to time, for a killed run, and at the end."""
    saved_at = time.monotonic()
    for place in places:
        result = next(results)
        if isinstance(result, Fingerprint):
            made[place] = result
        bar.update()
        if place == places[-1] or time.monotonic() - saved_at > _SECONDS_BETWEEN_SAVES:
            _save(made, path)
            saved_at = time.monotonic()


def _save(made: Sequence[Fingerprint | None], path: pathlib.Path) -> None:
    """Writes the pictures, then what says which they are."""
    parts = [one.pictures if one else np.zeros((0, SIDE, SIDE), np.uint8) for one in made]
    pictures = np.concatenate(parts)
    with files.atomic_path(path.with_suffix(".npy")) as temporary:
        np.save(temporary, pictures)
    with files.atomic_path(path.with_suffix(".npz")) as temporary:
        np.savez(
            temporary,
            starts=np.cumsum([0, *map(len, parts)]),
            is_damaged=np.array([one is not None and one.is_damaged for one in made]),
            sha256=np.array(hashlib.sha256(pictures.tobytes()).hexdigest()),
        )


def _load(path: pathlib.Path) -> tuple[Chunk, np.ndarray] | None:
    """The fingerprints of a pair of files and which are damaged; None where there is none that is whole."""
    try:
        pictures = np.load(path.with_suffix(".npy"), mmap_mode="r")
        with np.load(path.with_suffix(".npz")) as known:
            starts, is_damaged, sha256 = known["starts"], known["is_damaged"], str(known["sha256"])
    except (FileNotFoundError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (Chunk(pictures, starts), is_damaged) if hashlib.sha256(pictures).hexdigest() == sha256 else None


def _load_all(path: pathlib.Path, count: int) -> list[Fingerprint | None]:
    """What a pair of files has, one by one."""
    loaded = _load(path)
    if loaded is None:
        return [None] * count
    chunk, is_damaged = loaded
    pictures = np.split(chunk.pictures, chunk.starts[1:-1])
    return [Fingerprint(one, bool(bad)) if len(one) else None for one, bad in zip(pictures, is_damaged, strict=True)]


def _digest(intervals: Sequence[Interval]) -> str:
    """Of the files, not of their content: a changed file has another time or size."""
    described = []
    for interval in intervals:
        status = os.stat(interval.path)
        described.append([*dataclasses.astuple(interval), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps([VERSION, RATE, SIDE, described]).encode()).hexdigest()[:16]
