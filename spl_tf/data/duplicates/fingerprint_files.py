"""Fingerprints of many videos on disk.

The video workers make them. They stay until the run is done, so that a killed one goes on.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from spl_tf import files
from spl_tf.data.duplicates.fingerprints import MOMENTS, SIDE, VERSION, Interval, fingerprint
from spl_tf.data.workers import run_in_workers

_PER_FILE = 1024
_SECONDS_BETWEEN_SAVES = 30.0
_RECORD = np.dtype([("is_made", np.bool_), ("pictures", np.uint8, (MOMENTS, SIDE, SIDE))])


class FingerprintFiles:
    """Fingerprints in order; black pictures for videos that have none.

    Attributes:
      chunks: arrays of uint8 [n, MOMENTS, SIDE, SIDE], mapped from disk.
      is_made: which videos have a fingerprint, bool [N].
    """

    def __init__(self, records: Sequence[np.ndarray]):
        self.chunks = [part["pictures"] for part in records]
        self.is_made = np.concatenate([np.zeros(0, bool), *(part["is_made"] for part in records)])

    def __getitem__(self, position: int) -> np.ndarray:
        return self.chunks[position // _PER_FILE][position % _PER_FILE]


def make_fingerprints(
    intervals: Sequence[Interval], folder: pathlib.Path, num_workers: int, seconds_per_video: float
) -> FingerprintFiles:
    """Makes the fingerprints that are not in the folder yet.

    A video that cannot be decoded in time has none. A later run tries it again: it may have more time or memory.

    Raises:
      OSError: the folder cannot be written to.
    """
    parts = [intervals[start : start + _PER_FILE] for start in range(0, len(intervals), _PER_FILE)]
    paths = [folder / f"{_digest(part)}.npy" for part in parts]
    missing = {path: _missing(path, len(part)) for part, path in zip(parts, paths, strict=True)}
    jobs = [part[place] for part, path in zip(parts, paths, strict=True) for place in missing[path]]
    results = run_in_workers(fingerprint, jobs, num_workers=num_workers, seconds_per_job=seconds_per_video)
    with tqdm(total=len(intervals), initial=len(intervals) - len(jobs), desc="fingerprints", unit="video") as bar:
        for part, path in zip(parts, paths, strict=True):
            if missing[path]:
                records = np.load(path) if path.exists() else np.zeros(len(part), _RECORD)
                _fill(records, missing[path], results, path, bar)
    return FingerprintFiles([np.load(path, mmap_mode="r") for path in paths])


def _missing(path: pathlib.Path, count: int) -> list[int]:
    """Places of the fingerprints that a file has not."""
    return np.flatnonzero(~np.load(path, mmap_mode="r")["is_made"]).tolist() if path.exists() else list(range(count))


def _fill(records: np.ndarray, places: Sequence[int], results: Iterator[Any], path: pathlib.Path, bar: tqdm) -> None:
    """Takes the next result for each place; saves from time to time, for a killed run, and at the end."""
    saved_at = time.monotonic()
    for place in places:
        result = next(results)
        if isinstance(result, np.ndarray):
            records[place] = (True, result)
        bar.update()
        if place == places[-1] or time.monotonic() - saved_at > _SECONDS_BETWEEN_SAVES:
            with files.atomic_path(path) as temporary:
                np.save(temporary, records)
            saved_at = time.monotonic()


def _digest(intervals: Sequence[Interval]) -> str:
    """Of the files, not of their content: a changed file has another time or size."""
    described = []
    for interval in intervals:
        status = os.stat(interval.path)
        described.append([*dataclasses.astuple(interval), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps([VERSION, str(_RECORD), described]).encode()).hexdigest()[:16]
