"""Fingerprints of many videos on disk.

The video workers make them. They stay until the run is done, so that a killed one goes on.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from spl_tf import files
from spl_tf.data.fingerprints import MOMENTS, SIDE, VERSION, Interval, fingerprint
from spl_tf.data.workers import run_in_workers

_PER_FILE = 1024


class FingerprintFiles:
    """Fingerprints in order; black pictures, which are like nothing, for videos that have none.

    Attributes:
      chunks: arrays of uint8 [n, MOMENTS, SIDE, SIDE], mapped from disk.
    """

    def __init__(self, chunks: Sequence[np.ndarray]):
        self.chunks = chunks

    def __getitem__(self, position: int) -> np.ndarray:
        return self.chunks[position // _PER_FILE][position % _PER_FILE]


def make_fingerprints(
    intervals: Sequence[Interval], folder: pathlib.Path, num_workers: int, seconds_per_video: float
) -> FingerprintFiles:
    """Makes the fingerprints that are not in the folder yet. A video that cannot be decoded has none.

    Raises:
      OSError: the folder cannot be written to.
    """
    parts = [intervals[start : start + _PER_FILE] for start in range(0, len(intervals), _PER_FILE)]
    paths = [folder / f"{_digest(part)}.npy" for part in parts]
    missing = [(part, path) for part, path in zip(parts, paths, strict=True) if not path.exists()]
    jobs = [interval for part, _ in missing for interval in part]
    results = run_in_workers(fingerprint, jobs, num_workers=num_workers, seconds_per_job=seconds_per_video)
    bar = tqdm(total=len(intervals), initial=len(intervals) - len(jobs), desc="fingerprints", unit="video")
    with bar:
        for part, path in missing:
            pictures = np.zeros((len(part), MOMENTS, SIDE, SIDE), np.uint8)
            for position in range(len(part)):
                result = next(results)
                if isinstance(result, np.ndarray):
                    pictures[position] = result
                bar.update()
            with files.atomic_path(path) as temporary:
                np.save(temporary, pictures)
    return FingerprintFiles([np.load(path, mmap_mode="r") for path in paths])


def _digest(intervals: Sequence[Interval]) -> str:
    """Of the files, not of their content: a changed file has another time or size."""
    described = []
    for interval in intervals:
        status = os.stat(interval.path)
        described.append([*dataclasses.astuple(interval), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps([VERSION, described]).encode()).hexdigest()[:16]
