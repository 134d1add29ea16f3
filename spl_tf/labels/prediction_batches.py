"""The clips of a prediction side-car as labellers take them, batch by batch, every cell checked."""

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa

from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels import sidecar_files
from spl_tf.labels.calibration import calibrated
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.predictions import PREDICT_AGAIN, Predictions
from spl_tf.labels.targets import SEVERAL

_TOP = tuple(sidecar_files.TOP_SCORES.names)


def require_columns(predictions: Predictions, columns: Collection[str], asked_by: str) -> None:
    """Raises UserError, before any counting, when a labeller asks for scores that spl_tf.predict did not write."""
    if not set(columns) & set(_TOP):
        return
    for shard in predictions.shards:
        header = sidecar_files.read_header(
            predictions.path(shard),
            sidecar_files.TOP_SCORES,
            f"{asked_by} needs the teacher's best classes and their scores, {PREDICT_AGAIN} to have them stored",
        )
        if header.made_by.get("target") == SEVERAL:
            raise UserError(
                f"{asked_by} needs probabilities of one class a clip, the teacher of {predictions.folder} was trained "
                "towards several: give one of train_stage.objective = @single_label"
            )


def read_batches(
    predictions: Predictions, shard: str, columns: Collection[str]
) -> Iterator[tuple[pa.RecordBatch, Pairs]]:
    """Yields the batches of a shard's side-car, as stored and as pairs, whose scores are at the folder's temperature.

    Args:
      predictions: the folder.
      shard: name of the shard.
      columns: to be read beside "weak" and "teacher".

    Raises:
      UserError: a damaged file, empty cells, ids that are no classes, scores that are not finite, or best scores that
        are no probabilities or rise.
    """
    path, first_row = predictions.path(shard), 0
    is_scaled = predictions.temperature != 1 and not {"confidence", *_TOP}.isdisjoint(columns)
    columns = {*columns, *_TOP} if is_scaled else columns
    for batch in sidecar_files.read_predictions(path, ["weak", "teacher", *columns]):
        found = {name: _ids(batch, name, path, first_row, predictions) for name in ("weak", "teacher")}
        if "confidence" in columns:
            found["confidence"] = batch.column("confidence").to_numpy()
        if set(columns) & set(_TOP):
            found |= _top_scores(batch, path, first_row, len(predictions.classes))
        pairs = Pairs(**found)
        yield batch, calibrated(pairs, len(predictions.classes), predictions.temperature) if is_scaled else pairs
        first_row += batch.num_rows


def read_teacher(predictions: Predictions, shard: str) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's class int32 [n] and its confidence float32 [n] for every clip of a shard.

    Weak labels are not read, so that clips may have several. Raises as `read_batches`.
    """
    path, first_row = predictions.path(shard), 0
    classes, confidences = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for batch in sidecar_files.read_predictions(path, ["teacher", "confidence"]):
        classes.append(_ids(batch, "teacher", path, first_row, predictions))
        confidences.append(batch.column("confidence").to_numpy())
        first_row += batch.num_rows
    return np.concatenate(classes), np.concatenate(confidences)


def _ids(batch: pa.RecordBatch, name: str, path: Path, first_row: int, predictions: Predictions) -> np.ndarray:
    column = batch.column(name)
    if pa.types.is_list(column.type):
        raise UserError(
            f"{path} has several weak labels a clip, and a pair is of one: train on the shards' own labels with "
            "train_stage.objective = @multi_label"
        )
    if column.null_count:
        raise UserError(f"{path} has empty cells in column {name}: {PREDICT_AGAIN}")
    ids, num_classes = column.to_numpy(), len(predictions.classes)
    if not 0 <= ids.min() <= ids.max() < num_classes:
        row = int(np.flatnonzero((ids < 0) | (ids >= num_classes))[0])
        raise UserError(
            f"{path} row {first_row + row} has the {name} class {ids[row]}, "
            f"but predictions.json lists {num_classes} classes: {PREDICT_AGAIN}"
        )
    return ids


def _top_scores(batch: pa.RecordBatch, path: Path, first_row: int, num_classes: int) -> dict[str, np.ndarray]:
    """`top_classes` int32 [n, k] and `top_scores` float32 [n, k]."""
    lists = {name: batch.column(name) for name in _TOP}
    for name, column in lists.items():
        if column.null_count or column.flatten().null_count:
            raise UserError(f"{path} has empty cells in column {name}: {PREDICT_AGAIN}")
    sizes = np.concatenate([column.value_lengths().to_numpy() for column in lists.values()])
    if sizes.min() != sizes.max() or not sizes[0]:
        raise UserError(f"{path} has lists of {sizes.min()} to {sizes.max()} best classes or scores: {PREDICT_AGAIN}")
    classes, scores = (column.flatten().to_numpy().reshape(batch.num_rows, -1) for column in lists.values())
    for faults, fault in (
        ((classes < 0) | (classes >= num_classes), f"a best class outside of the {num_classes}"),
        (~((scores >= 0) & (scores <= 1.01)), "a best score that is no probability"),  # Means in float16 may exceed 1.
        (np.diff(scores, axis=1) > 0, "best scores that rise"),
    ):
        if rows := np.flatnonzero(faults.any(axis=1)).tolist():
            raise UserError(f"{path} row {first_row + rows[0]} has {fault}: {PREDICT_AGAIN}")
    return {"top_classes": classes, "top_scores": scores}
