"""How a teacher errs on clean clips that it did not learn from: B[y, t] = P(prediction t | class y)."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels.calibration import Calibration, fit_temperature
from spl_tf.labels.classes import require_same_classes
from spl_tf.labels.counting import count_predictions
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.prediction_batches import read_batches, require_columns
from spl_tf.labels.predictions import Predictions, made_by, measured_accuracy, open_predictions
from spl_tf.labels.sidecar_files import TOP_SCORES

# In `made_by` of predictions that spl_tf.cross_validate wrote.
FOLDS = "folds"


@dataclasses.dataclass(frozen=True, eq=False)
class TeacherConfusion:
    """What is known of a teacher's errors.

    Attributes:
      rates: float64 [N, N], P(prediction t | class y), rows classes; rows sum to 1, no entry is 0.
      source: where that is from, in words.
      counted: whether every class was counted; else the errors of one number are spread evenly.
    """

    rates: np.ndarray
    source: str
    counted: bool


def counted_confusion(counts: np.ndarray, classes: Sequence[str], source: str) -> TeacherConfusion:
    """From clean clips by class and prediction, int [N, N], with one clip more a class, spread over the predictions.

    Without that clip an error that a few hundred clips did not show would be impossible.

    Raises:
      UserError: a class has no clip.
    """
    if (empty := np.flatnonzero(counts.sum(axis=1) == 0)).size:
        raise UserError(
            f"{source}: no clip of class {classes[empty[0]]!r}, so nothing tells how the teacher errs on it: give "
            "clean clips of every class"
        )
    smoothed = counts + 1 / len(counts)
    return TeacherConfusion(smoothed / smoothed.sum(axis=1, keepdims=True), source, counted=True)


def even_confusion(accuracy: float, num_classes: int, source: str) -> TeacherConfusion:
    """From an accuracy alone, errors spread evenly over the other classes."""
    right = np.clip(accuracy, 1 / (2 * num_classes), 1 - 1 / (2 * num_classes)) if num_classes > 1 else 1.0
    rates = np.full((num_classes, num_classes), (1 - right) / max(num_classes - 1, 1))
    np.fill_diagonal(rates, right)
    return TeacherConfusion(rates, source, counted=False)


def open_held_out(folder: Path, classes: Sequence[str], classes_of: Path) -> Predictions:
    """Predictions of clean clips, of the same classes as those of the web set.

    Raises:
      UserError: as `open_predictions`, or the classes are others.
    """
    held_out = open_predictions(folder)
    require_same_classes(classes, str(classes_of), held_out.classes, str(folder))
    return held_out


def held_out_confusion(held_out: Predictions, min_confidence: float = 0.0) -> TeacherConfusion:
    """Counts predictions of clean clips, whose weak labels are right.

    Args:
      held_out: as of `open_held_out`.
      min_confidence: clips of which the teacher is less sure are left out, as they are of the web set.

    Raises:
      UserError: the side-cars are damaged, or a class has no clip.
    """
    counts = count_predictions(held_out, "the teacher's confusion", (), min_confidence).usable
    folds = made_by(held_out).get(FOLDS)
    how = f"cross-validated in {folds} folds" if folds else "unless the teacher learned from them"
    sure = f" with a confidence of {min_confidence:g} or more" if min_confidence else ""
    source = f"predictions of {counts.sum():,} clean clips{sure} in {held_out.folder} ({how})"
    return counted_confusion(counts, held_out.classes, source)


def calibration_of(predictions: Predictions, held_out: Predictions) -> Calibration:
    """The temperature of a teacher, by as many of the held-out scores as are stored of the web clips.

    Raises:
      UserError: one of the folders holds no best scores.
    """
    for folder in (predictions, held_out):
        require_columns(folder, TOP_SCORES.names, "calibration")
    filled = next(name for name, header in predictions.shards.items() if header.records)
    stored = next(pairs for _, pairs in read_batches(predictions, filled, TOP_SCORES.names)).column("top_scores")
    parts = [pairs for name in held_out.shards for _, pairs in read_batches(held_out, name, TOP_SCORES.names)]
    clips, k = Pairs.joined(parts), stored.shape[1]
    best = {"top_classes": clips.column("top_classes")[:, :k], "top_scores": clips.column("top_scores")[:, :k]}
    return fit_temperature(dataclasses.replace(clips, **best), len(held_out.classes))


def known_confusion(
    predictions: Predictions, held_out: Predictions | None, min_confidence: float = 0.0
) -> TeacherConfusion | None:
    """The teacher's confusion: counted where held-out predictions are given, else from an accuracy measured before.

    None where neither is there; raises as `held_out_confusion`.
    """
    if held_out is not None:
        return held_out_confusion(held_out, min_confidence)
    if (measured := measured_accuracy(predictions.folder)) is None:
        return None
    source = f"the teacher's accuracy alone, {measured}, its errors spread evenly"
    return even_confusion(measured.top_1, len(predictions.classes), source)
