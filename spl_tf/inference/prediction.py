"""The teacher over every web clip: one prediction side-car per shard."""

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from spl_tf import claims, files
from spl_tf.claims import Claims, Task
from spl_tf.data.dataset import FILE_NAME, ClipDataset, Shard
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import whole_batch
from spl_tf.inference.engine import Run, agreement_with_float32, inference_engine, run_of
from spl_tf.inference.scores import ClipScores, score_trained
from spl_tf.inference.trained_model import TrainedModel, load_with_clips
from spl_tf.labels import predictions, sidecar_files
from spl_tf.labels.targets import SEVERAL
from spl_tf.remote import addresses

MadeBy = dict[str, str | int]

_CLAIMS = ".claims"


@dataclasses.dataclass(frozen=True)
class _Scoring:
    """How clips are scored: what decides a side-car beside its shard."""

    trained: TrainedModel
    dataset: ClipDataset
    strategy: tf.distribute.Strategy
    run: Run
    num_views: int
    batch_size: int


@gin.configurable(denylist=["task"])
def predict_clips(
    model_dir: files.Path,
    shards: files.Path,
    output_dir: files.Path,
    *,
    num_views: int = 1,
    top_k: int = 5,
    batch_size: int = 16,
    precision: str = "auto",
    task: Task | None = None,
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
      task: this process is one of several, on any hosts, that predict together; each returns when all is done.

    Returns:
      The content of `predictions.json`.

    Raises:
      UserError: teacher and data don't fit together, a record can't be read, the folder holds anything but these
        predictions, or the other tasks were asked for something else.
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
    if not missing and predictions.lists_predictions(wanted.folder):
        return predictions.read_index(wanted.folder)
    whole = whole_batch(batch_size, strategy)
    run = run_of(trained, dataset, strategy, whole)
    scoring = _Scoring(trained, dataset, strategy, run, num_views, batch_size)

    def notes() -> dict[str, str | dict[str, int]]:
        if trained.precision == "float32" or engine is not None:
            return {"model_dir": addresses.shown(model_dir)}
        agreement = agreement_with_float32(trained, dataset, run, whole)
        print(f"{trained.precision} predicts {agreement}")
        equal = {"equal": agreement.equal, "compared": agreement.compared}
        return {"model_dir": addresses.shown(model_dir), "agreement_with_float32": equal}

    if task is None:
        told = notes()
        if missing:
            predictions.remove_index(wanted.folder)  # Until it is back the folder is incomplete.
            predict_shards(scoring, wanted, missing)
        return predictions.write_index(wanted, made_by, **told)
    tasks = Claims(wanted.folder / _CLAIMS, task)
    asked = {"model_dir": str(model_dir), "batch_size": whole, "tensorflow": tf.__version__, "keras": keras.__version__}
    tasks.require_same(made_by | asked | {"dataset_sha256": files.sha256(pathlib.Path(dataset.folder) / FILE_NAME)})
    # Looked at again: other tasks may have finished while this one was starting.
    if not all(wanted.path(dataset.shards[position].name).exists() for position in missing):
        predictions.remove_index(wanted.folder)
    with tasks.beating():
        _predict_with(tasks, scoring, wanted, missing, lambda: predictions.write_index(wanted, made_by, **notes()))
    tasks.clear()
    for leftover in wanted.folder.glob(files.TEMPORARY):
        leftover.unlink(missing_ok=True)
    return predictions.read_index(wanted.folder)


def _predict_with(
    tasks: Claims,
    scoring: _Scoring,
    wanted: predictions.Predictions,
    missing: Sequence[int],
    finish: Callable[[], object],
) -> None:
    """Predicts the missing shards that this task claims, until all are there, and one of the tasks writes the index."""
    positions = {scoring.dataset.shards[position].name: position for position in missing}

    def is_finished(unit: str = "") -> bool:
        return predictions.lists_predictions(wanted.folder)

    def is_done(name: str) -> bool:
        return wanted.path(name).exists() or is_finished()

    with claims.overtaken(tasks, is_finished):
        for mine in tasks.rounds(list(positions), is_done):
            for name in mine:
                predict_shards(scoring, wanted, [positions[name]])
        for mine in tasks.rounds(["finish"], is_finished):
            for _ in mine:
                finish()


def predict_shards(scoring: _Scoring, wanted: predictions.Predictions, positions: Sequence[int]) -> None:
    """Writes the side-cars of shards, each a function of its shard and of how it is scored alone.

    Args:
      scoring: network, data set and options.
      wanted: the folder of side-cars.
      positions: of the shards in the data set.
    """
    dataset = scoring.dataset
    options: dict[str, Any] = {"num_views": scoring.num_views, "batch_size": scoring.batch_size, "run": scoring.run}
    # Batches end with their shard: the scores of a shard are, to the last bit, those of any run that scores it.
    options |= {"shards": positions, "batch_over_shards": False, "description": "predict"}
    with contextlib.closing(score_trained(scoring.trained, dataset, scoring.strategy, **options)) as clips:
        for position in positions:
            _write_sidecar(wanted, dataset.shards[position], clips, dataset.multi_label)


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
        first=True,
    )
