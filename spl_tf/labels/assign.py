"""Labels for a whole web set, in two streams over the prediction side-cars: count, then map.

The first pass adds up the confusion matrix, from which the strategy makes its table. The second
looks every clip up in it. No more than a batch of rows is in memory, whatever the number of clips.
"""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from absl import logging
from tqdm import tqdm

from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels import sidecar_files
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.label_folder import stale_labels, write_folder
from spl_tf.labels.predictions import PREDICT_AGAIN, Predictions, open_predictions
from spl_tf.labels.strategies import DISCARDED, STRATEGIES, TAKING_NUM_LABELS, LabelMap, require_strategy


def assign_labels(
    predictions_dir: Path,
    strategy: str,
    output_dir: Path,
    *,
    num_labels: int | None = None,
    min_confidence: float = 0.0,
) -> dict[str, Any]:
    """Labels every clip of a web set and writes the label side-cars.

    A clip whose teacher confidence is below `min_confidence` is discarded by every strategy that
    uses the teacher. The matrix such a strategy is built from, which decides the cells SPL-M and
    SPL-D keep, counts the clips that remain. `confusion.npy`, the noise ratio, the comparison of
    queries with chance and the denominator of the samples cover ratio are of all clips, so they
    do not move with the threshold. "weak" does not use the teacher and ignores it, with a warning.

    Written into `output_dir`: `<shard>.parquet` for every shard, `confusion.npy` (int64 [N, N]),
    `confusion.png`, `long_tail.png`, and last `summary.json`, without which the folder does not
    count as complete. Labels of an earlier run are replaced; its side-cars of shards that are no
    longer there are removed.

    Args:
      predictions_dir: what spl_tf.predict wrote.
      strategy: a key of STRATEGIES.
      output_dir: for the labels; not a folder of predictions.
      num_labels: number of classes of spl_m and spl_d, default 2 N; the other strategies have their own.
      min_confidence: least teacher confidence of a usable clip, in [0, 1].

    Returns:
      The content of `summary.json`.

    Raises:
      UserError: bad arguments, side-cars that are missing, damaged, or not of these predictions, or
        another run is writing to the folder.
    """
    output_dir = pathlib.Path(output_dir)
    require_strategy(strategy)
    if not 0 <= min_confidence <= 1:
        raise UserError(f"min_confidence is {min_confidence}, a probability: choose a number from 0 to 1")
    predictions = open_predictions(predictions_dir)
    stale_labels(output_dir, predictions)  # Refuses a wrong folder before the counting.

    confusion, usable = _count(predictions, min_confidence)
    label_map = STRATEGIES[strategy](usable, predictions.classes, num_labels)
    if strategy not in TAKING_NUM_LABELS and num_labels not in (None, label_map.num_classes):
        logging.warning("num_labels is for spl_m and spl_d: %s has %d classes", strategy, label_map.num_classes)
    if not label_map.uses_teacher:
        if min_confidence:
            logging.warning("min_confidence is ignored: %s does not use the teacher's predictions", strategy)
        usable, min_confidence = confusion, 0.0
    write_sidecars = functools.partial(_write_labels, predictions, label_map, min_confidence, output_dir)
    notes = {"strategy": strategy, "min_confidence": min_confidence}
    return write_folder(output_dir, predictions, label_map, confusion, usable, write_sidecars, **notes)


def _batches(
    predictions: Predictions, shard: str, columns: list[str], progress: tqdm
) -> Iterator[tuple[pa.RecordBatch, np.ndarray, np.ndarray]]:
    """Yields batches of a shard with their weak and teacher ids, checked to be class ids."""
    first_row = 0
    for batch in sidecar_files.read_predictions(predictions.path(shard), columns):
        ids = {}
        for name in ("weak", "teacher"):
            column = batch.column(name)
            if column.null_count:
                raise UserError(f"{predictions.path(shard)} has empty cells in column {name}: {PREDICT_AGAIN}")
            ids[name] = column.to_numpy()
            if not 0 <= ids[name].min() <= ids[name].max() < len(predictions.classes):
                row = int(np.flatnonzero((ids[name] < 0) | (ids[name] >= len(predictions.classes)))[0])
                raise UserError(
                    f"{predictions.path(shard)} row {first_row + row} has the {name} class {ids[name][row]}, "
                    f"but predictions.json lists {len(predictions.classes)} classes: {PREDICT_AGAIN}"
                )
        yield batch, ids["weak"], ids["teacher"]
        first_row += batch.num_rows
        progress.update(batch.num_rows)


def _confident(batch: pa.RecordBatch, min_confidence: float) -> np.ndarray:
    """bool [n]: clips whose teacher confidence reaches the threshold. An undefined confidence does not."""
    return batch.column("confidence").to_numpy(zero_copy_only=False) >= np.float32(min_confidence)


def _count(predictions: Predictions, min_confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """First pass: the confusion matrix of all clips, and that of the confident ones, int64 [N, N] each."""
    num_classes = len(predictions.classes)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    confident_confusion = np.zeros_like(confusion) if min_confidence else confusion
    columns = ["weak", "teacher"] + (["confidence"] if min_confidence else [])
    with _progress(predictions, "counting") as progress:
        for shard in predictions.shards:
            for batch, weak, teacher in _batches(predictions, shard, columns, progress):
                confusion += count_pairs(weak, teacher, num_classes)
                if min_confidence:
                    confident = _confident(batch, min_confidence)
                    confident_confusion += count_pairs(weak[confident], teacher[confident], num_classes)
    return confusion, confident_confusion


def _write_labels(
    predictions: Predictions, label_map: LabelMap, min_confidence: float, output_dir: pathlib.Path
) -> dict[str, int]:
    """Second pass: one label side-car a shard. Returns the clips kept (label >= 0) of every shard."""
    columns = ["clip_id", "weak", "teacher"] + (["confidence"] if min_confidence else [])
    kept_of_shard = {}
    with _progress(predictions, "labelling") as progress:
        for shard, header in predictions.shards.items():
            kept_of_shard[shard] = 0
            with sidecar_files.label_writer(
                output_dir / f"{shard}.parquet",
                shard_fingerprint=header.shard_fingerprint,
                ids_digest=header.ids_digest,
            ) as writer:
                for batch, weak, teacher in _batches(predictions, shard, columns, progress):
                    labels = label_map.apply(weak, teacher)
                    if min_confidence:
                        labels[~_confident(batch, min_confidence)] = DISCARDED
                    kept = labels >= 0
                    kept_of_shard[shard] += int(np.count_nonzero(kept))
                    writer.write_batch(
                        sidecar_files.label_batch(batch.column("clip_id"), labels, kept.astype(np.float32))
                    )
    return kept_of_shard


def _progress(predictions: Predictions, doing: str) -> tqdm:
    # A job of less than a second shows no bar.
    return tqdm(total=predictions.num_clips, desc=doing, unit=" clips", unit_scale=True, delay=1)
