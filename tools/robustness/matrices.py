"""How labels go wrong, as --matrix and --pairs say it: P(noisy label j | class i), [N, N]."""

import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf.arrays import map_array
from spl_tf.errors import UserError
from spl_tf.files import require_regular
from tools.collect import tables

_REMEDY = "give N x N numbers, as a .npy file of spl_tf.transition or as N lines of N numbers with commas"
_TOLERANCE = 1e-4  # As of the losses that take such a matrix.


def read_matrix(path: pathlib.Path, classes: Sequence[str]) -> np.ndarray:
    """Reads --matrix: float64 [N, N].

    Raises:
      UserError: the file cannot be read, is not N x N, or a row is no distribution.
    """
    if path.suffix == ".npy":
        matrix = np.array(map_array(path, _REMEDY))
    else:
        require_regular(path, _REMEDY)
        try:
            matrix = np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8-sig")
        except (ValueError, UnicodeDecodeError) as error:
            raise UserError(f"{path} holds no matrix ({error}): {_REMEDY}") from error
    num_classes = len(classes)
    if matrix.dtype.kind not in "fiu" or matrix.shape != (num_classes, num_classes):
        raise UserError(f"{path} is {matrix.dtype} {matrix.shape}, of {num_classes} classes: {_REMEDY}")
    matrix = matrix.astype(np.float64)
    sums = matrix.sum(axis=1)
    wrong = ~((matrix >= 0).all(axis=1) & np.isclose(sums, 1, rtol=0, atol=_TOLERANCE))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{int(wrong.sum())} rows of {path} are no distributions, that of {classes[row]!r} first (its sum is "
            f"{sums[row]:.6g}): give numbers from 0 on whose sum is 1"
        )
    return matrix


def read_pairs(path: pathlib.Path, classes: Sequence[str]) -> list[int]:
    """Reads --pairs: for each class the one it is mistaken for, itself where the file has none; int [N].

    Raises:
      UserError: the file cannot be read, names what is no class, or a class twice, or with itself.
    """
    ids = {name: class_id for class_id, name in enumerate(classes)}
    targets = list(range(len(classes)))
    for number, row in enumerate(tables.read(path, ("label", "to"), "--pairs"), 1):
        for name in (row["label"], row["to"]):
            if name not in ids:
                raise UserError(f"row {number} of {path}: {name!r} is no class; columns label and to hold class names")
        label, target = ids[row["label"]], ids[row["to"]]
        if label == target or targets[label] != label:
            what = "is paired with itself" if label == target else "is there already"
            raise UserError(f"row {number} of {path}: {row['label']!r} {what}: give each class at most one other")
        targets[label] = target
    return targets


def next_class(num_classes: int) -> list[int]:
    """The class after each, the first after the last; int [N]."""
    return [(class_id + 1) % num_classes for class_id in range(num_classes)]
