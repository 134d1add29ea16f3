"""Class scores and features of every clip of a data set, on any number of replicas."""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tqdm

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.pipeline import evaluation_clips
from spl_tf.data.input.reading import readable
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import whole_batch
from spl_tf.inference.engine import Run, run_of, tensorflow_run
from spl_tf.inference.trained_model import ClipInput, TrainedModel
from spl_tf.labels.targets import SINGLE


@dataclasses.dataclass(frozen=True)
class ClipScores:
    """Scores and pooled features of one record, averaged over its views.

    Attributes:
      shard: position of its shard in the data set.
      row: its row in the shard.
      clip_id: its id.
      video_id: the upload it was cut from.
      labels: class ids that the record carries.
      scores: float64 [N].
      features: float64 [C].
    """

    shard: int
    row: int
    clip_id: str
    video_id: str
    labels: tuple[int, ...]
    scores: np.ndarray
    features: np.ndarray

    @property
    def label(self) -> int:
        """The record's only label; -1 for none or several."""
        return self.labels[0] if len(self.labels) == 1 else -1


def score_clips(
    network: keras.Model,
    dataset: ClipDataset,
    clip_input: ClipInput,
    strategy: tf.distribute.Strategy,
    *,
    batch_size: int,
    num_views: int,
    num_crops: int = 1,
    target: str = SINGLE,
    description: str,
    shards: Sequence[int] | None = None,
    batch_over_shards: bool = True,
    run: Run | None = None,
    is_shown: bool = True,
) -> Generator[ClipScores, None, None]:
    """Yields the scores of every record, in the order of the data set.

    Args:
      network: float [B, T, H, W, 3] -> {"features": [B, C], "logits": [B, N]}; made in the strategy's scope. One
        without logits, of target "none", gives no scores.
      dataset: the shards.
      clip_input: frames, stride and crop.
      strategy: the devices.
      batch_size: views at once over all replicas of this host, rounded up to a multiple of their number.
      num_views: temporal views of each record, uniformly spaced.
      num_crops: windows of each view, uniformly spaced along the long side.
      target: what the network was trained towards, see `trained_model.scores_of`.
      description: the progress bar's text.
      shards: positions of the shards to read; all by default.
      batch_over_shards: False makes the scores of a shard, to the last bit, those of any run that scores it.
      run: a form of the network for batches of this size, see `engine.run_of`; None is TensorFlow's on all devices.
      is_shown: whether there is a progress bar.

    Raises:
      UserError: a record can't be read, an option does not fit the data, or what the network says of a clip is not
        finite.
    """
    batches = evaluation_clips(
        dataset,
        batch_size=whole_batch(batch_size, strategy),
        num_frames=clip_input.num_frames,
        frame_stride=clip_input.frame_stride,
        crop_size=clip_input.crop_size,
        num_views=num_views,
        num_crops=num_crops,
        shards=shards,
        batch_over_shards=batch_over_shards,
    )
    run = tensorflow_run(network, strategy, target) if run is None else run
    positions = range(len(dataset.shards)) if shards is None else shards
    total = sum(dataset.shards[position].records for position in positions)
    views: list[tuple[np.ndarray, np.ndarray]] = []
    with (
        tqdm.tqdm(
            desc=description, total=total, unit="clip", dynamic_ncols=True, mininterval=1.0, disable=not is_shown
        ) as bar,
        readable(dataset.folder),
    ):
        for batch in batches:
            scores, features = run(batch["clips"])
            rows = {name: values.numpy() for name, values in batch.items() if name != "clips"}
            for i in map(int, np.flatnonzero(rows["weights"])):  # Padding has weight 0.
                views.append((scores[i], features[i]))
                if len(views) == num_views * num_crops:
                    means = [np.asarray(parts, np.float64).mean(axis=0) for parts in zip(*views, strict=True)]
                    clip = _record(rows, i, *means)
                    _require_finite(clip, dataset)
                    yield clip
                    views.clear()
                    bar.update()


def score_trained(
    trained: TrainedModel,
    dataset: ClipDataset,
    strategy: tf.distribute.Strategy,
    *,
    batch_size: int,
    run: Run | None = None,
    **options: Any,
) -> Generator[ClipScores, None, None]:
    """`score_clips` with the input and the targets that a finished stage was trained on, by the chosen engine.

    Raises:
      UserError: as of `score_clips` and `engine.run_of`.
    """
    run = run_of(trained, dataset, strategy, whole_batch(batch_size, strategy)) if run is None else run
    options |= {"batch_size": batch_size, "target": trained.target, "run": run}
    return score_clips(trained.network, dataset, trained.clip_input, strategy, **options)


def _require_finite(clip: ClipScores, dataset: ClipDataset) -> None:
    """NaN is larger than nothing and smaller than nothing: an argmax or a rank of it would be a hit by chance."""
    for name in ("scores", "features"):
        if not np.isfinite(getattr(clip, name)).all():
            raise UserError(
                f"the network's {name} of clip {clip.clip_id} ({dataset.shards[clip.shard].path} record {clip.row}) "
                "are not finite, so nothing can be measured or predicted with it: train it again with a lower learning "
                "rate, a longer warm-up or train_stage.clip_norm"
            )


def _record(rows: dict[str, np.ndarray], i: int, scores: np.ndarray, features: np.ndarray) -> ClipScores:
    return ClipScores(
        shard=int(rows["shard"][i]),
        row=int(rows["row"][i]),
        clip_id=rows["clip_id"][i].decode(),
        video_id=rows["video_id"][i].decode(),
        labels=tuple(map(int, filter(None, rows["labels"][i].decode().split(",")))),
        scores=scores,
        features=features,
    )
