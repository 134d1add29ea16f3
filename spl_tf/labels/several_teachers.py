"""Several teachers as one: predictions whose scores are the weighted mean of theirs."""

import hashlib
import json
import pathlib
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from spl_tf.errors import UserError
from spl_tf.files import Path, atomic_path, require_regular, sha256
from spl_tf.labels import predictions as prediction_files
from spl_tf.labels import sidecar_files
from spl_tf.labels.classes import require_same_classes
from spl_tf.labels.counting import progress
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.outside_scores import ClipIndex, OutsideScores, read_outside_scores
from spl_tf.labels.prediction_batches import read_batches, require_columns
from spl_tf.labels.predictions import Predictions, made_by, open_predictions
from spl_tf.labels.sidecar_files import TOP_SCORES
from spl_tf.labels.teacher_confusion import FOLDS

UNSCORED = "unscored.csv"
_SPOOL = ".scores-"
_CLIPS_AT_ONCE = 1 << 15


def combine_teachers(
    folders: Sequence[Path],
    output_dir: Path,
    *,
    scores: Sequence[Path] = (),
    weights: Sequence[float] | None = None,
    top_k: int = 5,
) -> dict[str, Any]:
    """Writes predictions of several teachers together, as of spl_tf.predict; weak labels are the first folder's.

    The scores of a clip are the weighted mean of its teachers' distributions. What the best scores of a teacher leave
    is spread evenly over the other classes; of a file of scores the `top_k` best count. A clip that a file does not
    have is scored by the others; such clips are listed in `unscored.csv`.

    Args:
      folders: predictions of the same shards and classes, at least one.
      output_dir: for the predictions.
      scores: Parquet files of other tools, see `outside_scores`.
      weights: of the folders, then of the files; None weighs all alike.
      top_k: highest scores that are kept of every clip.

    Returns:
      The content of `predictions.json`, with "unscored": clips of each file of scores that it does not have, and
      "foreign": its rows of clips that are not among the predictions.

    Raises:
      UserError: the folders are of other shards or classes, hold no best scores, or a file is no file of scores.
    """
    teachers = [open_predictions(folder) for folder in folders]
    first, output_dir = teachers[0], pathlib.Path(output_dir)
    count = len(teachers) + len(scores)
    weights = [1.0] * count if weights is None else list(weights)
    if count < 2:
        raise UserError("one teacher alone is nothing to combine: give another folder of predictions or file of scores")
    if len(weights) != count or not all(np.isfinite(weight) and weight > 0 for weight in weights):
        raise UserError(f"there are {count} teachers: give {count} weights, each above 0")
    if top_k < 1:
        raise UserError(f"top_k is {top_k}: give 1 or more")
    for other in teachers:
        require_same_classes(first.classes, str(first.folder), other.classes, str(other.folder))
        require_columns(other, TOP_SCORES.names, "combining teachers")
        _require_same_shards(first, other)
    top_k = min(top_k, len(first.classes))
    for path in scores:
        require_regular(path, "name a Parquet file of scores")
    digests = [prediction_files.index_digest(each.folder) for each in teachers] + [sha256(path) for path in scores]
    described: dict[str, str | int] = {
        "model": hashlib.sha256(json.dumps([digests, weights]).encode()).hexdigest(),
        "teachers": count,
        "top_k": top_k,
    }
    folds = {made_by(each).get(FOLDS) for each in teachers}
    if len(folds) == 1 and (number := folds.pop()) is not None:
        described[FOLDS] = number  # All of them are cross-validated, so is their mean.
    headers = {
        name: sidecar_files.Header(header.records, header.shard_fingerprint, header.ids_digest, described)
        for name, header in first.shards.items()
    }
    wanted = Predictions(output_dir, first.classes, headers)
    finished = prediction_files.finished_shards(wanted)
    output_dir.mkdir(parents=True, exist_ok=True)
    for left_behind in output_dir.glob(f"{_SPOOL}*"):  # By a run that was killed.
        shutil.rmtree(left_behind)
    with tempfile.TemporaryDirectory(prefix=_SPOOL, dir=output_dir) as spool:
        outside = _read_all(scores, first, top_k=top_k, spool=pathlib.Path(spool))
        prediction_files.remove_index(output_dir)
        unscored = _write(wanted, teachers, outside, weights, finished, top_k)
    notes = {"unscored": unscored, "foreign": {str(each.path): each.foreign for each in outside}}
    return prediction_files.write_index(wanted, described, **notes)


def _read_all(
    paths: Sequence[Path], predictions: Predictions, *, top_k: int, spool: pathlib.Path
) -> list[OutsideScores]:
    if not paths:
        return []
    index, found = ClipIndex(predictions), []
    for number, path in enumerate(paths):
        folder = spool / str(number)
        folder.mkdir()
        found.append(read_outside_scores(path, index, len(predictions.classes), top_k, folder))
    return found


def _require_same_shards(first: Predictions, other: Predictions) -> None:
    for name in first.shards | other.shards:
        own, theirs = first.shards.get(name), other.shards.get(name)
        if (
            own is None
            or theirs is None
            or (own.shard_fingerprint, own.ids_digest)
            != (
                theirs.shard_fingerprint,
                theirs.ids_digest,
            )
        ):
            raise UserError(
                f"{first.folder} and {other.folder} are of other shards ({name} differs): give predictions of the same"
            )


def _write(
    wanted: Predictions,
    teachers: Sequence[Predictions],
    outside: Sequence[OutsideScores],
    weights: Sequence[float],
    finished: set[str],
    top_k: int,
) -> dict[str, int]:
    """Side-cars of all shards that are not finished; clips that each file of scores does not have."""
    unscored = {str(each.path): 0 for each in outside}
    start = 0
    with (
        atomic_path(wanted.folder / UNSCORED) as listed,
        open(listed, "w", encoding="utf-8") as lines,
        progress(wanted, "combining") as bar,
    ):
        lines.write("clip_id,scores\n")
        for name, header in wanted.shards.items():
            rows = slice(start, start + header.records)
            missing = {str(each.path): np.flatnonzero(each.classes[rows, 0] < 0) for each in outside}
            if name not in finished or any(own.size for own in missing.values()):
                pairs, clip_ids = _read_shard(teachers[0], name)
                for path, own in missing.items():
                    unscored[path] += own.size
                    lines.writelines(f"{clip_ids[row]},{path}\n" for row in own)
            if name not in finished:
                others = [_read_shard(teacher, name)[0] for teacher in teachers[1:]]
                best = [(each.column("top_classes"), each.column("top_scores")) for each in (pairs, *others)]
                best += [(each.classes[rows], each.scores[rows]) for each in outside]
                classes, means = _means(best, weights, len(wanted.classes), top_k)
                sidecar_files.write_predictions(
                    wanted.path(name),
                    clip_ids=clip_ids,
                    weak=pairs.weak,
                    teacher=classes[:, 0],
                    confidence=means[:, 0],
                    top_classes=classes,
                    top_scores=means,
                    shard_fingerprint=header.shard_fingerprint,
                    made_by=header.made_by,
                )
            start += header.records
            bar.update(header.records)
    if not outside:
        (wanted.folder / UNSCORED).unlink()
    return unscored


def _read_shard(predictions: Predictions, name: str) -> tuple[Pairs, list[str]]:
    found = list(read_batches(predictions, name, ["clip_id", *TOP_SCORES.names]))
    if not found:
        no_clip, no_best = np.zeros(0, np.int32), np.zeros((0, 1))
        return Pairs(no_clip, no_clip, None, no_best.astype(np.int32), no_best.astype(np.float32)), []
    ids = [clip_id for batch, _ in found for clip_id in batch.column("clip_id").to_pylist()]
    return Pairs.joined([pairs for _, pairs in found]), ids


def _means(
    best: Sequence[tuple[np.ndarray, np.ndarray]], weights: Sequence[float], num_classes: int, top_k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Classes int32 [n, top_k] and scores float32 [n, top_k] of the weighted mean, falling.

    Args:
      best: of every teacher, classes int [n, k] and scores float [n, k]; the class -1 where it has not seen the clip.
      weights: of the teachers.
      num_classes: N.
      top_k: how many are wanted.
    """
    num_clips = len(best[0][0])
    classes, means = np.zeros((num_clips, top_k), np.int32), np.zeros((num_clips, top_k), np.float32)
    for first in range(0, num_clips, _CLIPS_AT_ONCE):
        rows = slice(first, first + _CLIPS_AT_ONCE)
        total = np.zeros((len(classes[rows]), num_classes))
        weight_of_clip = np.zeros((len(total), 1))
        for (ids, scores), weight in zip(best, weights, strict=True):
            seen = np.flatnonzero(ids[rows, 0] >= 0)
            own = _spread(ids[rows][seen], scores[rows][seen], num_classes)
            total[seen] += weight * own
            weight_of_clip[seen] += weight
        total /= weight_of_clip
        # Among equal scores the lower class id stands first, as in argmax.
        classes[rows] = np.argsort(-total, axis=1, kind="stable")[:, :top_k]
        means[rows] = np.take_along_axis(total, classes[rows].astype(np.int64), axis=1)
    return classes, means


def _spread(classes: np.ndarray, scores: np.ndarray, num_classes: int) -> np.ndarray:
    """Distributions, float64 [n, N]: what the k best scores leave is spread evenly over the other classes."""
    others = num_classes - classes.shape[1]
    left = np.maximum(1 - scores.sum(axis=1, dtype=np.float64, keepdims=True), 0) / max(others, 1)
    spread = np.repeat(left, num_classes, axis=1)
    np.put_along_axis(spread, classes.astype(np.int64), scores.astype(np.float64), axis=1)
    return spread
