"""A finished folder of labels, read: the summary, the confusion matrix, the class of every cell."""

import dataclasses
import pathlib

import msgspec
import numpy as np

from spl_tf import checksums
from spl_tf.arrays import map_array, read_arrays
from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels.targets import SINGLE, Form
from spl_tf.stored import Name, read_json

FORMAT_VERSION = 1
REMEDY = "run spl_tf.label"

SUMMARY = "summary.json"
CONFUSION = "confusion.npy"
CELLS = "cells.npz"

_LABEL_AGAIN = f"delete {SUMMARY} beside it and run spl_tf.label, or the recipe, again"


@dataclasses.dataclass(frozen=True)
class Summary:
    """What training needs of `summary.json`.

    Attributes:
      path: the file.
      strategy: by which the clips were labelled.
      class_names: names of the labels' classes, in order.
      fingerprints: shard name -> fingerprint of the shard that was labelled.
      target: form of the labels, one of `targets.Form`.
      identity: see `labels_identity`; empty for labels of older versions.
    """

    path: pathlib.Path
    strategy: str
    class_names: tuple[str, ...]
    fingerprints: dict[str, str]
    target: str = SINGLE
    identity: str = ""


class _LabelledShard(msgspec.Struct):
    fingerprint: str


class _Stored(msgspec.Struct):
    """What this package reads of `summary.json`."""

    strategy: str
    class_names: tuple[str, ...]
    shards: dict[Name, _LabelledShard]
    target: Form = "single"
    identity: str = ""


class _Source(msgspec.Struct):
    """And the classes of the shards."""

    source_classes: tuple[str, ...]


def read_summary(folder: Path) -> Summary:
    """Reads the summary of finished labels.

    Raises:
      UserError: the folder holds no finished labels, or the summary is not ours, damaged or edited.
    """
    path = pathlib.Path(folder) / SUMMARY
    stored = _read_stored(folder)
    fingerprints = {name: shard.fingerprint for name, shard in stored.shards.items()}
    return Summary(path, stored.strategy, stored.class_names, fingerprints, stored.target, stored.identity)


def _read_stored(folder: Path) -> _Stored:
    path = pathlib.Path(folder) / SUMMARY
    stored = read_json(path, _Stored, REMEDY, version=FORMAT_VERSION)
    require_whole(path)
    return stored


def require_whole(path: Path) -> str:
    """Hex SHA-256 of a file of finished labels; a UserError where it is missing, or not as labelling left it."""
    return checksums.require_whole(path, _LABEL_AGAIN)


def sidecar_digests(folder: Path) -> list[str]:
    """Hex SHA-256 of every side-car by name; raises as `require_whole`."""
    return [require_whole(path) for path in sorted(pathlib.Path(folder).glob("*.parquet")) if path.name[0] != "."]


def read_confusion(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """The N classes and the clips by query (row) and teacher's class (column), int64 [N, N], of finished labels.

    Raises:
      UserError: as `read_summary`, or the matrix is missing or damaged.
    """
    folder = pathlib.Path(folder)
    _read_stored(folder)
    classes = read_json(folder / SUMMARY, _Source, REMEDY).source_classes
    path = folder / CONFUSION
    confusion = np.array(map_array(path, "run spl_tf.label again"))
    if confusion.dtype != np.int64 or (confusion < 0).any():
        raise UserError(f"{path} does not hold counts: run spl_tf.label again")
    if confusion.shape != (len(classes), len(classes)):
        raise UserError(f"{path} is {confusion.shape}, there are {len(classes)} classes: run spl_tf.label again")
    require_whole(path)
    return classes, confusion


def read_cells(folder: Path, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """What finished labels made of every cell of the confusion matrix.

    Returns:
      int32 [N, N], the class of the cell's clips, -1 = discarded; bool [N, N], cells that lost the class of their
      own to that of their query (SPL-M).

    Raises:
      UserError: the file is missing or damaged.
    """
    path = pathlib.Path(folder) / CELLS
    kinds = {"table": np.int32, "merged": np.bool_}
    stored = read_arrays(path, kinds, (num_classes, num_classes), "run spl_tf.label again")
    require_whole(path)
    return stored["table"], stored["merged"]
