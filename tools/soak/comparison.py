"""Whether two runs of one recipe ended with the same: table, shards, side-cars, weights."""

import csv
import io
import itertools
import pathlib
import zipfile
from collections.abc import Callable

import h5py
import numpy as np
import pyarrow.parquet as pq

from spl_tf import files

_RESULTS = "results.csv"
_WEIGHTS = "model.weights.h5"  # in a .keras file, beside metadata that tell the date

# What a killed run may have left: a finished one has removed it.
_LEFTOVERS = (files.TEMPORARY, ".progress", "spool-*", ".*.removed", "*_temp")


def differences(undisturbed: pathlib.Path, disturbed: pathlib.Path) -> list[str]:
    """One sentence per difference between two finished runs; none when they are equal."""
    found = _results_differ(undisturbed / _RESULTS, disturbed / _RESULTS)
    compared: dict[str, Callable[[pathlib.Path, pathlib.Path], bool]] = {
        "shards/*/*.tfrecord": _same_bytes,
        "shards/*/rejected.csv": _same_bytes,
        "seed*/**/*.parquet": _same_table,
        "seed*/**/*.weights.h5": _same_weights,
        "seed*/**/*.keras": _same_weights,
        "seed*/**/videos.csv": _same_bytes,
    }
    for pattern, same in compared.items():
        ours, theirs = _names(undisturbed, pattern), _names(disturbed, pattern)
        found += [f"{name} is missing in {disturbed}" for name in sorted(ours - theirs)]
        found += [f"{name} is only in {disturbed}" for name in sorted(theirs - ours)]
        found += [f"{name} differs" for name in sorted(ours & theirs) if not same(undisturbed / name, disturbed / name)]
    return found


def leftovers(folder: pathlib.Path) -> list[str]:
    """One sentence per file or folder that should have been removed."""
    return [f"{path} is left over" for pattern in _LEFTOVERS for path in sorted(folder.rglob(pattern))]


def _names(folder: pathlib.Path, pattern: str) -> set[str]:
    found = (path.relative_to(folder) for path in folder.glob(pattern))
    return {path.as_posix() for path in found if not any(path.match(leftover) for leftover in _LEFTOVERS)}


def _results_differ(ours: pathlib.Path, theirs: pathlib.Path) -> list[str]:
    """Everything counts but the seconds."""
    for path in (ours, theirs):
        if not path.exists():
            return [f"{path} is missing"]
    rows = [_rows_without_seconds(path) for path in (ours, theirs)]
    return [
        f"{theirs} row {number} is {other} and undisturbed {one}"
        for number, (one, other) in enumerate(itertools.zip_longest(*rows), start=1)
        if one != other
    ]


def _rows_without_seconds(path: pathlib.Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as opened:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(opened)]


def _same_bytes(one: pathlib.Path, other: pathlib.Path) -> bool:
    return files.sha256(one) == files.sha256(other)


def _same_table(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Rows, whatever the bytes around them."""
    return _same_bytes(one, other) or pq.read_table(one).equals(pq.read_table(other))


def _same_weights(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Bit for bit, whatever the bytes around them."""
    if _same_bytes(one, other):
        return True
    ours, theirs = _arrays(one), _arrays(other)
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype
        and ours[name].shape == theirs[name].shape
        and ours[name].tobytes() == theirs[name].tobytes()
        for name in ours
    )


def _arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Every array of an HDF5 file, or of the one inside a .keras file, by name."""
    content = path.read_bytes()
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(_WEIGHTS)
    arrays = {}
    with h5py.File(io.BytesIO(content)) as opened:
        opened.visititems(
            lambda name, item: arrays.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return arrays
