"""Targets as columns of a label side-car: written, and read with every cell checked.

    single        label int32 (-1 = discarded)
    several       labels list<int32> (null = discarded), masked list<int32>: classes of which nothing is known
    distribution  classes list<int32> (null = discarded), probabilities list<float32>
    candidates    candidates list<int32> (null = discarded): classes of which one is right

Each comes after the column clip_id and before weight float32.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels.targets import (
    CANDIDATES,
    DISCARDED,
    DISTRIBUTION,
    SEVERAL,
    SINGLE,
    SingleLabels,
    SparseTargets,
    Targets,
)

_IDS, _SCORES = pa.list_(pa.int32()), pa.list_(pa.float32())
_COLUMNS = {
    SINGLE: [("label", pa.int32())],
    SEVERAL: [("labels", _IDS), ("masked", _IDS)],
    DISTRIBUTION: [("classes", _IDS), ("probabilities", _SCORES)],
    CANDIDATES: [("candidates", _IDS)],
}
SCHEMAS = {
    form: pa.schema([("clip_id", pa.string()), *columns, ("weight", pa.float32())])
    for form, columns in _COLUMNS.items()
}
# How far the probabilities of a clip may be from 1 in sum: float32, written by anybody.
_SUM_TOLERANCE = 1e-3


def target_arrays(targets: Targets) -> list[pa.Array]:
    """The columns between clip_id and weight."""
    if isinstance(targets, SingleLabels):
        return [pa.array(targets.labels, pa.int32())]
    discarded = ~targets.kept
    parts: list[tuple[np.ndarray, np.ndarray, pa.DataType, np.ndarray | None]] = []
    if targets.form == DISTRIBUTION:
        parts += [
            (targets.offsets, targets.classes, pa.int32(), discarded),
            (targets.offsets, targets.values, pa.float32(), discarded),
        ]
    elif targets.form == CANDIDATES:
        parts.append((targets.offsets, targets.classes, pa.int32(), discarded))
    else:
        for chosen, nulls in ((targets.values > 0, discarded), (targets.values == 0, None)):
            offsets = np.append(0, np.cumsum(chosen))[targets.offsets]
            parts.append((offsets, targets.classes[chosen], pa.int32(), nulls))
    return [
        pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), pa.array(values, kind), mask=None if nulls is None else pa.array(nulls)
        )
        for offsets, values, kind, nulls in parts
    ]


def read_targets(table: pa.Table, form: str, num_classes: int, path: Path, remedy: str) -> Targets:
    """The targets in the columns of a side-car.

    Args:
      table: its columns.
      form: of the targets.
      num_classes: ids are below it.
      path: of the side-car, for messages.
      remedy: what the user can do when the file is no good.

    Raises:
      UserError: empty cells, ids that are no classes, a class twice in a clip, lists that do not fit together,
        or probabilities that are no distribution.
    """
    if form == SINGLE:
        return _read_single(table["label"], num_classes, path, remedy)
    if form == CANDIDATES:
        return _read_candidates(table["candidates"].combine_chunks(), num_classes, path, remedy)
    first, second = (table[name].combine_chunks() for name, _ in _COLUMNS[form])
    kept = first.is_valid().to_numpy(zero_copy_only=False)
    mismatched = kept != second.is_valid().to_numpy(zero_copy_only=False) if form == DISTRIBUTION else second.null_count
    if np.any(mismatched) or first.flatten().null_count or second.flatten().null_count:
        raise UserError(f"{path} has empty cells: {remedy}")
    sizes, other_sizes = _sizes(first), _sizes(second)
    if form == DISTRIBUTION:
        if rows := np.flatnonzero(sizes != other_sizes).tolist():
            raise UserError(
                f"{path} row {rows[0]} has {sizes[rows[0]]} classes and {other_sizes[rows[0]]} probabilities: {remedy}"
            )
        classes, values = first.flatten().to_numpy(), second.flatten().to_numpy()
        targets = SparseTargets(form, _offsets(sizes), classes, values, kept)
        _require_distributions(targets, path, remedy)
    else:
        targets = _several(first.flatten().to_numpy(), sizes, second.flatten().to_numpy(), other_sizes, kept)
    _require_classes(targets, num_classes, path, remedy)
    return targets


def _read_single(column: pa.ChunkedArray, num_classes: int, path: Path, remedy: str) -> SingleLabels:
    if column.null_count:
        raise UserError(f"{path} has empty cells: {remedy}")
    labels = column.to_numpy()
    if wrong := np.flatnonzero((labels < DISCARDED) | (labels >= num_classes)).tolist():
        raise UserError(
            f"{path} row {wrong[0]} has label {labels[wrong[0]]}, but there are {num_classes} classes: {remedy}"
        )
    return SingleLabels(labels)


def _read_candidates(lists: pa.ListArray, num_classes: int, path: Path, remedy: str) -> SparseTargets:
    kept, sizes = lists.is_valid().to_numpy(zero_copy_only=False), _sizes(lists)
    if lists.flatten().null_count:
        raise UserError(f"{path} has empty cells: {remedy}")
    if rows := np.flatnonzero(kept & (sizes == 0)).tolist():
        raise UserError(f"{path} row {rows[0]} has no candidate, and is not discarded: {remedy}")
    classes = lists.flatten().to_numpy()
    targets = SparseTargets(CANDIDATES, _offsets(sizes), classes, np.ones(len(classes), np.float32), kept)
    _require_classes(targets, num_classes, path, remedy)
    return targets


def _sizes(lists: pa.ListArray) -> np.ndarray:
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.append(0, np.cumsum(sizes)).astype(np.int64)


def _several(
    labels: np.ndarray, num_labels: np.ndarray, masked: np.ndarray, num_masked: np.ndarray, kept: np.ndarray
) -> SparseTargets:
    """Each clip's labels, then those of which nothing is known; the counts are int64 [n]."""
    offsets = _offsets(num_labels + num_masked)
    classes, values = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.float32)
    starts = offsets[:-1]
    for ids, sizes, first, value in ((labels, num_labels, starts, 1), (masked, num_masked, starts + num_labels, 0)):
        entries = np.repeat(first - _offsets(sizes)[:-1], sizes) + np.arange(len(ids))
        classes[entries], values[entries] = ids, value
    return SparseTargets(SEVERAL, offsets, classes, values, kept)


def _rows(targets: SparseTargets) -> np.ndarray:
    """int64 [entries]: the clip of every entry."""
    return np.repeat(np.arange(len(targets)), np.diff(targets.offsets))


def _require_classes(targets: SparseTargets, num_classes: int, path: Path, remedy: str) -> None:
    rows, classes = _rows(targets), targets.classes
    if wrong := np.flatnonzero((classes < 0) | (classes >= num_classes)).tolist():
        raise UserError(
            f"{path} row {rows[wrong[0]]} has label {classes[wrong[0]]}, but there are {num_classes} classes: {remedy}"
        )
    pairs = np.sort(rows * num_classes + classes)
    if (twice := pairs[1:][pairs[1:] == pairs[:-1]]).size:
        row, label = divmod(int(twice[0]), num_classes)
        raise UserError(f"{path} row {row} has label {label} twice: {remedy}")


def _require_distributions(targets: SparseTargets, path: Path, remedy: str) -> None:
    sums = np.bincount(_rows(targets), targets.values, len(targets))
    negative = np.bincount(_rows(targets), ~(targets.values >= 0), len(targets)) > 0
    if wrong := np.flatnonzero(targets.kept & (negative | ~(np.abs(sums - 1) <= _SUM_TOLERANCE))).tolist():
        fault = "that are negative" if negative[wrong[0]] and sums[wrong[0]] == sums[wrong[0]] else "whose sum is not 1"
        raise UserError(f"{path} row {wrong[0]} has probabilities {fault}: {remedy}")
