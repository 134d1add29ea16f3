"""The teacher over every web clip: one prediction side-car per shard."""

import contextlib
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import gin
import numpy as np

from spl_tf import files
from spl_tf.data.dataset import Shard
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import whole_batch
from spl_tf.inference.engine import agreement_with_float32, inference_engine, run_of
from spl_tf.inference.scores import ClipScores, score_trained
from spl_tf.inference.trained_model import load_with_clips
from spl_tf.labels import predictions, sidecar_files
from spl_tf.labels.targets import SEVERAL

MadeBy = dict[str, str | int]


@gin.configurable
def predict_clips(
    model_dir: files.Path,
    shards: files.Path,
    output_dir: files.Path,
    *,
    num_views: int = 1,
    top_k: int = 5,
    batch_size: int = 16,
    precision: str = "auto",
) -> dict:
    """Predicts every clip of a data set and writes `<shard>.parquet` files, then `predictions.json`.

    A shard whose side-car stands, made by the same weights and settings, is not predicted again.

    Args:
      model_dir: folder of a finished stage, the teacher.
      shards: folder of shards, the web data.
      output_dir: the side-cars' folder.
      num_views: uniformly spaced temporal views of each clip; the paper leaves it
        open, one centred view is our choice.
      top_k: highest scores that are kept of every clip, beside the first class.
      batch_size: views at once.
      precision: "auto", "float32" or "bfloat16".

    Returns:
      The content of `predictions.json`.

    Raises:
      UserError: teacher and data don't fit together, a record can't be read, or the folder holds anything but these
        predictions.
    """
    trained, dataset, strategy = load_with_clips(model_dir, shards, precision)
    if top_k < 1:
        raise UserError(f"predict_clips.top_k = {top_k}: give 1 or more")
    made_by: MadeBy = {
        "model": trained.weights_hash,
        "precision": trained.precision,
        "num_frames": trained.clip_input.num_frames,
        "frame_stride": trained.clip_input.frame_stride,
        "crop_size": trained.clip_input.crop_size,
        "num_views": num_views,
        "top_k": min(top_k, dataset.num_classes),
    }
    if (engine := inference_engine()) is not None:
        made_by["engine"] = engine.title()
    if trained.target == SEVERAL:
        made_by["target"] = trained.target
    wanted = predictions.Predictions(
        pathlib.Path(output_dir),
        dataset.classes,
        {
            shard.name: sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest, made_by)
            for shard in dataset.shards
        },
    )
    finished = predictions.finished_shards(wanted)
    missing = [position for position, shard in enumerate(dataset.shards) if shard.name not in finished]
    notes: dict[str, str | dict[str, int]] = {"model_dir": str(model_dir)}
    if not missing and predictions.lists_predictions(wanted.folder):
        return predictions.read_index(wanted.folder)
    whole = whole_batch(batch_size, strategy)
    run = run_of(trained, dataset, strategy, whole)
    if trained.precision != "float32" and engine is None:
        agreement = agreement_with_float32(trained, dataset, run, whole)
        print(f"{trained.precision} predicts {agreement}")
        notes["agreement_with_float32"] = {"equal": agreement.equal, "compared": agreement.compared}
    if missing:
        predictions.remove_index(wanted.folder)  # Until it is back the folder is incomplete.
        options: dict[str, Any] = {"num_views": num_views, "batch_over_shards": False, "run": run, "shards": missing}
        clips = score_trained(trained, dataset, strategy, batch_size=batch_size, description="predict", **options)
        with contextlib.closing(clips):
            for position in missing:
                _write_sidecar(wanted, dataset.shards[position], clips, dataset.multi_label)
    return predictions.write_index(wanted, made_by, **notes)


def _write_sidecar(
    wanted: predictions.Predictions, shard: Shard, clips: Iterator[ClipScores], multi_label: bool
) -> None:
    """Writes the side-car of the shard that the next clips belong to."""
    shard_clips = list(itertools.islice(clips, shard.records))
    made_by = wanted.shards[shard.name].made_by
    scores = np.stack([clip.scores for clip in shard_clips]) if shard_clips else np.zeros((0, len(wanted.classes)))
    # Among equal scores the lower class id stands first, as in argmax.
    top = np.argsort(-scores, axis=1, kind="stable")[:, : made_by["top_k"]]
    labels = [clip.labels for clip in shard_clips]
    weak = labels if multi_label else np.array([clip.label for clip in shard_clips], np.int32)
    sidecar_files.write_predictions(
        wanted.path(shard.name),
        clip_ids=[clip.clip_id for clip in shard_clips],
        weak=weak,
        teacher=top[:, 0].astype(np.int32),
        confidence=scores.max(axis=1).astype(np.float32),
        top_classes=top,
        top_scores=np.take_along_axis(scores, top, axis=1),
        shard_fingerprint=shard.fingerprint,
        made_by=made_by,
    )
