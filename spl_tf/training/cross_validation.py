"""Predictions of the clean clips by teachers that did not learn from them: cross-validation in folds of videos."""

import hashlib
import pathlib
import re
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spl_tf import files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.survey import read_heads
from spl_tf.errors import UserError
from spl_tf.hardware.memory import forget_networks
from spl_tf.inference.prediction import predict_clips
from spl_tf.labels import predictions as prediction_files
from spl_tf.labels import sidecar_files
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.folds import deal_folds
from spl_tf.labels.label_writing import Written, labels_identity, write_folder
from spl_tf.labels.labellers import weak as own_labels
from spl_tf.labels.predictions import Predictions
from spl_tf.labels.targets import DISCARDED
from spl_tf.labels.teacher_confusion import FOLDS
from spl_tf.training.stage import train_stage

# Of them all scores are kept: a confidence is calibrated on them.
_MOST_SCORES = 1000


def cross_validate(
    stage: str,
    shards: files.Path,
    output_dir: files.Path,
    *,
    num_folds: int = 5,
    seed: int = 0,
    same_scene: re.Pattern[str] | None = None,
    inputs: Mapping[str, files.Path | None] = types.MappingProxyType({}),
) -> np.ndarray:
    """Trains as many teachers as there are folds, each on the other folds, and lets each predict its own.

    A teacher is trained as gin says to the stage, whose scope is entered by the caller, but for a shorter epoch. What
    is finished is not done again.

    Args:
      stage: "teacher".
      shards: folder of the clean shards, with one label a clip.
      output_dir: gets one prediction side-car a shard and `predictions.json`, as of spl_tf.predict, and
        `folds/<number>` with labels, network and predictions of each fold.
      num_folds: 2 or more.
      seed: of folds and training.
      same_scene: videos in whose ids it finds the same text come into one fold; None parts any two videos.
      inputs: further ones of `train_stage`.

    Returns:
      int64 [N, N], clips by class (row) and prediction (column).

    Raises:
      UserError: clips without exactly one label, a class of one video, a folder of other predictions, or as of
        `train_stage` and `predict_clips`.
    """
    if num_folds < 2:
        raise UserError(f"{num_folds} folds: give 2 or more, there must be something to learn from and something left")
    output_dir, dataset = pathlib.Path(output_dir), load_dataset(shards)
    clip_ids, labels, videos = _clips(dataset)
    groups = [_scene(video, same_scene) for video in videos]
    folds = deal_folds(labels, groups, num_folds, dataset.classes, seed)
    model_dirs, parts = [], []
    for fold in range(num_folds):
        folder = output_dir / "folds" / str(fold)
        print(f"fold {fold + 1} of {num_folds}: {np.count_nonzero(folds == fold):,} clips left out", flush=True)
        _write_fold(folder / "labels", dataset, clip_ids, labels, folds == fold, {"fold": [fold, num_folds, seed]})
        train_stage(stage, folder / "network", train_shards=shards, labels_dir=folder / "labels", seed=seed, **inputs)
        forget_networks()
        top_k = min(dataset.num_classes, _MOST_SCORES)
        predict_clips(folder / "network", shards, folder / "predictions", top_k=top_k)
        forget_networks()
        model_dirs.append(folder / "network")
        parts.append(prediction_files.open_predictions(folder / "predictions"))
    return _join(output_dir, dataset, folds, parts, {FOLDS: num_folds, "seed": seed})


def _clips(dataset: ClipDataset) -> tuple[list[str], np.ndarray, list[str]]:
    """Ids, classes int32 [n] and videos of all clips."""
    heads = [(head.clip_id, head.labels, head.video_id) for head in read_heads(dataset)]
    if not heads:
        raise UserError(f"{dataset.folder} holds no clip: nothing can be learned from it")
    ids, labels, videos = zip(*heads, strict=True)
    if wrong := [clip_id for clip_id, own in zip(ids, labels, strict=True) if len(own) != 1]:
        raise UserError(
            f"{dataset.folder}: clip {wrong[0]} has not exactly one label: how a teacher errs is not told by it"
        )
    return list(ids), np.array([own[0] for own in labels], np.int32), list(videos)


def _scene(video: str, same_scene: re.Pattern[str] | None) -> str:
    if same_scene is None:
        return video
    if (found := same_scene.search(video)) is None:
        raise UserError(f"--same_scene finds nothing in the video id {video!r}: give one that does, in every id")
    return found.group()


def _write_fold(
    folder: pathlib.Path,
    dataset: ClipDataset,
    clip_ids: list[str],
    labels: np.ndarray,
    left_out: np.ndarray,
    notes: dict[str, Any],
) -> None:
    """The shards' own labels, without those of a fold."""
    headers = {
        shard.name: sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest) for shard in dataset.shards
    }
    target = Predictions(folder, dataset.classes, headers)
    taught = np.where(left_out, np.int32(DISCARDED), labels)
    confusion = count_pairs(labels, labels, dataset.num_classes)
    label_map = own_labels(confusion, dataset.classes)
    identity = labels_identity(target, label_map, taught=hashlib.sha256(taught.tobytes()).hexdigest(), **notes)

    def write_sidecars() -> Written:
        kept = {}
        for shard in dataset.shards:
            rows = slice(shard.start, shard.start + shard.records)
            sidecar_files.write_labels(
                folder / f"{shard.name}.parquet",
                clip_ids=clip_ids[rows],
                labels=taught[rows],
                weights=(taught[rows] != DISCARDED).astype(np.float32),
                shard_fingerprint=shard.fingerprint,
                identity=identity,
            )
            kept[shard.name] = int(np.count_nonzero(taught[rows] != DISCARDED))
        counts = np.bincount(taught[taught != DISCARDED], minlength=dataset.num_classes)
        return Written(kept, counts.astype(np.float64))

    described = {"strategy": "clean", "min_confidence": 0.0, **notes}
    usable = count_pairs(labels[~left_out], labels[~left_out], dataset.num_classes)
    write_folder(folder, target, label_map, identity, confusion, usable, write_sidecars, **described)


def _join(
    output_dir: pathlib.Path, dataset: ClipDataset, folds: np.ndarray, parts: list[Predictions], made_by: dict[str, int]
) -> np.ndarray:
    """Writes of every clip what the teacher of its fold says."""
    described = [prediction_files.made_by(part) for part in parts]
    models = " ".join(str(each.pop("model")) for each in described)
    found = described[0] | {"model": hashlib.sha256(models.encode()).hexdigest()} | made_by
    headers = {
        shard.name: sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest, found)
        for shard in dataset.shards
    }
    joined = Predictions(output_dir, dataset.classes, headers)
    prediction_files.finished_shards(joined)  # Refuses a folder of others.
    prediction_files.remove_index(output_dir)
    confusion = np.zeros((dataset.num_classes,) * 2, np.int64)
    for shard in dataset.shards:
        own = folds[shard.start : shard.start + shard.records]
        tables = pa.concat_tables(pq.read_table(part.path(shard.name)) for part in parts)
        rows = tables.take(own.astype(np.int64) * shard.records + np.arange(shard.records))
        clip_ids = rows["clip_id"].to_pylist()
        scores: dict[str, Any] = {
            name: np.array(rows[name].to_pylist()) for name in rows.column_names if name != "clip_id"
        }
        if not clip_ids:
            scores = {name: np.zeros(0) for name in ("weak", "teacher", "confidence")}
        sidecar_files.write_predictions(
            joined.path(shard.name), clip_ids=clip_ids, shard_fingerprint=shard.fingerprint, made_by=found, **scores
        )
        confusion += count_pairs(scores["weak"].astype(np.int64), scores["teacher"].astype(np.int64), len(confusion))
    prediction_files.write_index(joined, found)
    return confusion
