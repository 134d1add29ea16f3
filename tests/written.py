"""What a command wrote, read back."""

import csv
import pathlib

import h5py
import numpy as np


def csv_rows(path: str | pathlib.Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def stored_weights(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Every data set of an HDF5 file."""
    found = {}
    with h5py.File(path) as opened:
        opened.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found
