"""The teacher over every web clip: one prediction side-car per shard."""

import pathlib
from collections.abc import Iterable

import gin
import numpy as np
import tensorflow as tf

from spl_tf import files
from spl_tf.data.dataset import ClipDataset, Shard, load_dataset
from spl_tf.data.pipeline import evaluation_clips
from spl_tf.data.preprocessing import prepare_evaluation
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference.scores import ClipScores, score_clips
from spl_tf.inference.trained_model import TrainedModel, load_trained, with_precision
from spl_tf.labels import sidecars
from spl_tf.labels.classes import require_same_classes

FORMAT_VERSION = 1
_CLIPS_COMPARED = 32


@gin.configurable
def predict_clips(
    model_dir: files.Path,
    shards: files.Path,
    output_dir: files.Path,
    *,
    num_views: int = 1,
    batch_size: int = 16,
    precision: str = "auto",
) -> dict:
    """Predicts every clip of a data set and writes `<shard>.parquet` files, then `predictions.json`.

    A shard whose side-car stands is not predicted again.

    Args:
      model_dir: folder of a finished stage, the teacher.
      shards: folder of shards, the web data.
      output_dir: the side-cars' folder.
      num_views: uniformly spaced temporal views of each clip; the paper leaves it
        open, one centred view is our choice.
      batch_size: views at once.
      precision: "auto", "float32", "bfloat16" or "float16".

    Returns:
      The content of `predictions.json`.

    Raises:
      UserError: teacher and data have different classes, or the folder holds
        predictions made otherwise.
    """
    output_dir = pathlib.Path(output_dir)
    strategy = device_strategy()
    with strategy.scope():
        trained = load_trained(model_dir, choose_policy(precision))
    dataset = load_dataset(shards)
    require_same_classes(trained.classes, str(model_dir), dataset.classes, str(shards))
    settings = {
        "format_version": FORMAT_VERSION,
        "classes": list(dataset.classes),
        "num_clips": dataset.num_clips,
        "shards": {
            shard.name: {"fingerprint": shard.fingerprint, "ids_digest": shard.ids_digest, "records": shard.records}
            for shard in dataset.shards
        },
        "model": {"folder": str(model_dir), "weights_sha256": trained.weights_hash},
        "precision": trained.precision,
        "num_frames": trained.clip_input.num_frames,
        "frame_stride": trained.clip_input.frame_stride,
        "num_views": num_views,
    }
    missing = _missing_shards(output_dir, settings, dataset)
    clips = score_clips(
        trained.network,
        dataset,
        trained.clip_input,
        strategy,
        batch_size=batch_size,
        num_views=num_views,
        description="predict",
        shards=missing,
    )
    if missing:
        if trained.precision != "float32":
            print(_agreement_with_float32(trained, dataset, batch_size))
        _write_sidecars(clips, dataset, output_dir)
    files.write_json(output_dir / "predictions.json", settings)
    return settings


def _missing_shards(output_dir: pathlib.Path, settings: dict, dataset: ClipDataset) -> list[int]:
    """Positions of the shards without a side-car; refuses a folder of other predictions."""
    started = output_dir / "started.json"
    if not started.exists():
        files.write_json(started, settings)
    known = files.read_json(started, f"delete {output_dir} and run spl_tf.predict again")
    # Where the model lies does not matter, its weights do.
    comparable = [{**value, "model": value["model"]["weights_sha256"]} for value in (known, settings)]
    if different := [name for name in settings if comparable[0].get(name) != comparable[1][name]]:
        raise UserError(
            f"{output_dir} holds predictions with another {different[0]}: use another --output_dir or delete this one"
        )
    return [
        position for position, shard in enumerate(dataset.shards) if not (output_dir / f"{shard.name}.parquet").exists()
    ]


def _write_sidecars(clips: Iterable[ClipScores], dataset: ClipDataset, output_dir: pathlib.Path) -> None:
    """Writes a side-car as soon as the last clip of its shard is scored."""
    waiting: list[ClipScores] = []
    for clip in clips:
        waiting.append(clip)
        shard = dataset.shards[clip.shard]
        if len(waiting) == shard.records:
            _write_sidecar(output_dir, shard, waiting)
            waiting = []


def _write_sidecar(output_dir: pathlib.Path, shard: Shard, clips: list[ClipScores]) -> None:
    sidecars.write_predictions(
        output_dir / f"{shard.name}.parquet",
        clip_ids=[clip.clip_id for clip in clips],
        weak=np.array([clip.label for clip in clips], dtype=np.int32),
        teacher=np.array([clip.scores.argmax() for clip in clips], dtype=np.int32),
        confidence=np.array([clip.scores.max() for clip in clips], dtype=np.float32),
        shard_fingerprint=shard.fingerprint,
    )


def _agreement_with_float32(trained: TrainedModel, dataset: ClipDataset, batch_size: int) -> str:
    """One line: on how many of a few dozen clips the precision changes the predicted class."""
    reference = with_precision(trained.network, "float32")
    equal = compared = 0
    for batch in evaluation_clips(
        dataset,
        batch_size=batch_size,
        num_frames=trained.clip_input.num_frames,
        frame_stride=trained.clip_input.frame_stride,
        crop_size=trained.clip_input.crop_size,
    ):
        clips = prepare_evaluation(batch["clips"])
        same = [tf.argmax(network(clips, training=False)["logits"], -1) for network in (reference, trained.network)]
        real = batch["weights"] > 0
        equal += int(tf.math.count_nonzero((same[0] == same[1]) & real))
        compared += int(tf.math.count_nonzero(real))
        if compared >= _CLIPS_COMPARED:
            break
    return f"{trained.precision} predicts the class of float32 on {equal} of {compared} clips"
