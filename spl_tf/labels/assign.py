"""Labels for a whole web set, in two streams over the prediction side-cars: count, then map.

The first pass adds up the confusion matrix, and what else the labeller is fitted on. The second
maps every clip to its target. Each takes as many shards at once as there are cores, and of a shard no more than a batch
of rows is in memory, whatever the number of clips.
"""

import dataclasses
import hashlib
import pathlib
from typing import Any

import numpy as np
from absl import logging

from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels import sidecar_files
from spl_tf.labels.cell_truth import MOST_CLASSES, expected_truth
from spl_tf.labels.counting import Counts, confident, count_predictions, of_shards, progress
from spl_tf.labels.label_map import FittedLabeller
from spl_tf.labels.label_quality import LabelledCells, joint_by_cell, label_quality
from spl_tf.labels.label_writing import Written, labels_identity, stale_labels, write_folder
from spl_tf.labels.labellers import labeller
from spl_tf.labels.prediction_batches import read_batches, require_columns
from spl_tf.labels.predictions import Predictions, made_by, open_predictions
from spl_tf.labels.statistics import STATISTICS, TEACHER_RATES
from spl_tf.labels.teacher_confusion import TeacherConfusion, calibration_of, known_confusion, open_held_out


def assign_labels(
    predictions_dir: Path,
    strategy: str,
    output_dir: Path,
    *,
    min_confidence: float = 0.0,
    held_out: Path | None = None,
    calibrate: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Labels every clip of a web set and writes the label side-cars.

    A clip whose teacher confidence is below `min_confidence` is discarded by every strategy that
    uses the teacher. What such a strategy is fitted on, which decides the cells SPL-M and
    SPL-D keep, are the clips that remain. `confusion.npy`, the noise ratio, the comparison of
    queries with chance and the denominator of the samples cover ratio are of all clips, so they
    do not move with the threshold. "weak" does not use the teacher and ignores it, with a warning.

    Written into `output_dir`: `<shard>.parquet` for every shard, `confusion.npy` (int64 [N, N]),
    `cells.npz` (what became of every cell), `confusion.png`, `long_tail.png`, and last `summary.json`,
    without which the folder does not count as complete. Other labels that were finished there are set aside in
    a folder beside it; what an unfinished run left is replaced.

    Args:
      predictions_dir: what spl_tf.predict wrote.
      strategy: a key of PAIR_LABELLERS.
      output_dir: for the labels; not a folder of predictions.
      min_confidence: least teacher confidence of a usable clip, in [0, 1].
      held_out: predictions of clean clips by teachers that did not learn from them, as of spl_tf.cross_validate. They
        tell how the teacher errs, which some strategies need; with all others they only tell what the labels are
        expected to be worth.
      calibrate: bring the teacher's scores to the temperature that fits `held_out` best, before anything goes by them;
        a strategy that does not use the teacher ignores it, with a warning.
      options: of the strategy, e.g. `num_labels` of spl_m and spl_d.

    Returns:
      The content of `summary.json`.

    Raises:
      UserError: bad arguments, side-cars that are missing, damaged, or not of these predictions, or
        another run is writing to the folder.
    """
    output_dir = pathlib.Path(output_dir)
    chosen = labeller(strategy, **options)
    if not 0 <= min_confidence <= 1:
        raise UserError(f"min_confidence is {min_confidence}, a probability: choose a number from 0 to 1")
    if min_confidence and not chosen.uses_teacher:
        logging.warning("min_confidence is ignored: %s does not use the teacher's predictions", strategy)
        min_confidence = 0.0
    predictions = open_predictions(predictions_dir)
    stale_labels(output_dir, predictions)  # Refuses a wrong folder before the counting.

    clean = None if held_out is None else open_held_out(held_out, predictions.classes, predictions_dir)
    if clean is None and chosen.needs_held_out:
        raise UserError(
            f"{strategy} has to know how the teacher errs on clean clips that it did not learn from: give --held_out, "
            "which spl_tf.cross_validate writes"
        )
    calibration = None
    if calibrate and clean is None:
        raise UserError("to calibrate the teacher, give --held_out, which spl_tf.cross_validate writes")
    if calibrate and not chosen.uses_teacher:
        logging.warning("calibration is left out: %s does not use the teacher's predictions", strategy)
    elif calibrate and clean is not None:
        calibration = calibration_of(predictions, clean)
        predictions, clean = (
            dataclasses.replace(folder, temperature=calibration.temperature) for folder in (predictions, clean)
        )
    known = known_confusion(predictions, clean, min_confidence)

    statistics = [name for name in chosen.statistics if name in STATISTICS]
    counts = count_predictions(predictions, chosen.name, statistics, min_confidence)
    given = counts.statistics | ({} if known is None else {TEACHER_RATES: known.rates})
    fitted = chosen.fit(counts.usable, predictions.classes, given)
    require_columns(predictions, fitted.columns, strategy)
    notes: dict[str, Any] = {"strategy": strategy, "min_confidence": min_confidence}
    if calibration is not None:
        notes |= {"temperature": calibration.temperature, "calibration": str(calibration)}
    # Weak labels are the same whatever the teacher says.
    made_from: dict[str, Any] = {"teacher": made_by(predictions)} if chosen.uses_teacher else {}
    if fitted.columns and chosen.options:  # Else the table tells.
        made_from["options"] = dict(chosen.options)
    if chosen.needs_held_out and known is not None:
        made_from["held_out"] = hashlib.sha256(known.rates.tobytes()).hexdigest()
    identity = labels_identity(predictions, fitted, **notes, **made_from)
    expects = known if len(predictions.classes) <= MOST_CLASSES else None
    cells = LabelledCells(len(predictions.classes)) if expects is not None and fitted.columns else None

    def write_sidecars() -> Written:
        written = _write_labels(predictions, fitted, min_confidence, identity, output_dir, cells)
        own = counts if chosen.uses_teacher else dataclasses.replace(counts, usable=counts.confusion)
        written.notes["expected"] = None if expects is None else _expected(expects, fitted, own, cells)
        return written

    return write_folder(
        output_dir, predictions, fitted, identity, counts.confusion, counts.usable, write_sidecars, **notes
    )


def _expected(
    known: TeacherConfusion, fitted: FittedLabeller, counts: Counts, cells: LabelledCells | None
) -> dict[str, Any]:
    """What the labels are likely to be worth, see `LabelQuality`, and from what that is known."""
    shown = expected_truth(counts.confusion, known.rates)
    usable = shown if counts.usable is counts.confusion else expected_truth(counts.usable, known.rates)
    joint = joint_by_cell(fitted, usable) if cells is None else cells.joint(usable, counts.usable)
    quality = label_quality(joint, shown.sum(axis=(0, 1)))
    return quality.as_json() | {"from": known.source}


def _write_labels(
    predictions: Predictions,
    fitted: FittedLabeller,
    min_confidence: float,
    identity: str,
    output_dir: pathlib.Path,
    cells: LabelledCells | None,
) -> Written:
    """Second pass: one label side-car a shard; `cells` counts which labels the clips of each cell get."""
    columns = {"clip_id", *fitted.columns} | ({"confidence"} if min_confidence else set())
    num_classes = len(fitted.class_names)

    def write(shard: str) -> tuple[int, np.ndarray]:
        header, kept, clips_per_class = predictions.shards[shard], 0, np.zeros(num_classes)
        with sidecar_files.label_writer(
            output_dir / f"{shard}.parquet",
            shard_fingerprint=header.shard_fingerprint,
            ids_digest=header.ids_digest,
            form=fitted.form,
            identity=identity,
        ) as writer:
            for batch, pairs in read_batches(predictions, shard, columns):
                targets = fitted.targets(pairs)
                if min_confidence:
                    targets = targets.only(confident(pairs, min_confidence))
                if cells is not None:
                    cells.add(pairs, targets)
                clips_per_class += targets.clips_per_class(num_classes)
                kept += int(np.count_nonzero(targets.kept))
                weights = targets.kept.astype(np.float32)
                writer.write_batch(sidecar_files.label_batch(batch.column("clip_id"), targets, weights))
                bar.update(batch.num_rows)
        return kept, clips_per_class

    written = Written({}, np.zeros(num_classes))
    with progress(predictions, "labelling") as bar:
        results = of_shards(write, predictions)
        for shard, (kept, clips_per_class) in zip(predictions.shards, results, strict=True):
            written.kept_of_shard[shard] = kept
            written.clips_per_class[:] += clips_per_class
    return written
