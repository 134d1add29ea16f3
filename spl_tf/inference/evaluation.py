"""Metrics of a network on a clean data set: one prediction per video."""

import csv
import dataclasses
import pathlib

import gin
import keras
import numpy as np
import tensorflow as tf

from spl_tf import files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference.scores import score_clips
from spl_tf.inference.sliding import slide_over
from spl_tf.inference.trained_model import ClipInput, load_trained, require_fitting_data
from spl_tf.metrics import accuracy
from spl_tf.metrics.average_precision import average_precisions
from spl_tf.metrics.averaging import VideoScores


@gin.configurable
def evaluate_model(
    model_dir: files.Path,
    shards: files.Path,
    output_dir: files.Path,
    *,
    num_views: int = 1,
    num_crops: int = 1,
    num_frames: int | None = None,
    frame_stride: int | None = None,
    crop_size: int | None = None,
    fully_convolutional: bool = False,
    background: str | None = None,
    batch_size: int = 16,
    precision: str = "float32",
) -> dict:
    """Evaluates a finished stage and writes what a later comparison needs.

    The SPL paper's protocol (section 4.2) is one long view of the whole video: 64 frames of stride 4, short
    side 256. That of Non-local Networks is 10 views x 3 crops of 256 pixels, fully convolutional.

    Args:
      model_dir: folder of a finished stage.
      shards: folder of shards with true labels.
      output_dir: gets `confusion.npy`, `videos.csv` (one row a video), `scores.npy` (float32 [videos, N], rows in the
        order of `videos.csv`), and last `metrics.json`, which names the classes without videos: no mean counts them.
      num_views: uniformly spaced temporal views of each record.
      num_crops: windows of each view, uniformly spaced along the long side.
      num_frames, frame_stride, crop_size: of a view, where they shall not be those of the training clips.
      fully_convolutional: classify every position of the feature map that a training clip's crop would
        fill, and average the scores; else features are averaged first. They differ for larger crops.
      background: a class that counts in no mean average precision (SoccerNet's).
      batch_size: views at once.
      precision: "auto", "float32", "bfloat16" or "float16".

    Returns:
      The content of `metrics.json`.

    Raises:
      UserError: model and data don't fit together, or a record can't be read.
    """
    output_dir = pathlib.Path(output_dir)
    strategy = device_strategy()
    dataset = load_dataset(shards)
    if background is not None and background not in dataset.classes:
        raise UserError(f"evaluate_model.background = {background!r} is no class of {shards}: check the name")
    with strategy.scope():
        trained = load_trained(model_dir, choose_policy(precision))
        require_fitting_data(trained, model_dir, dataset)
        network = slide_over(trained) if fully_convolutional else trained.network
    given = {"num_frames": num_frames, "frame_stride": frame_stride, "crop_size": crop_size}
    view = dataclasses.replace(trained.clip_input, **{name: value for name, value in given.items() if value})
    videos = score_videos(
        network, dataset, view, strategy, batch_size=batch_size, num_views=num_views, num_crops=num_crops
    )
    confusion = count_confusion(videos, len(dataset.classes))
    metrics = summarize(videos) | _per_class(confusion, videos, dataset, background) | {"clips": dataset.num_clips}
    metrics |= {"shards": str(shards), "model": str(model_dir), "precision": trained.precision}
    metrics |= {name: getattr(view, name) for name in given}
    metrics |= {"num_views": num_views, "num_crops": num_crops, "fully_convolutional": fully_convolutional}
    metrics |= {"background": background}
    _, _, scores = videos.means()
    for name, values in (("confusion", confusion), ("scores", scores.astype(np.float32))):
        with files.atomic_path(output_dir / f"{name}.npy") as path:
            np.save(path, values)
    _write_videos(output_dir / "videos.csv", videos, dataset.classes)
    files.write_json(output_dir / "metrics.json", metrics)
    return metrics


def score_videos(
    network: keras.Model,
    dataset: ClipDataset,
    clip_input: ClipInput,
    strategy: tf.distribute.Strategy,
    *,
    batch_size: int,
    num_views: int,
    num_crops: int = 1,
) -> VideoScores:
    """Scores averaged over the views and records of each video."""
    if dataset.multi_label:
        raise UserError(f"{dataset.folder} is multi-label: top-k accuracy needs one label a clip")
    videos = VideoScores()
    for clip in score_clips(
        network,
        dataset,
        clip_input,
        strategy,
        batch_size=batch_size,
        num_views=num_views,
        num_crops=num_crops,
        description="evaluate",
    ):
        videos.add(clip.video_id, clip.label, clip.scores)
    return videos


def summarize(videos: VideoScores) -> dict[str, float]:
    """Top-1 and top-5 of averaged scores."""
    _, labels, scores = videos.means()
    return {
        "top_1": accuracy.top_k_accuracy(scores, labels, 1),
        "top_5": accuracy.top_k_accuracy(scores, labels, 5),
    }


def count_confusion(videos: VideoScores, num_classes: int) -> np.ndarray:
    """int64 [N, N], videos by true class and prediction."""
    _, labels, scores = videos.means()
    return accuracy.confusion_of_predictions(labels, scores.argmax(axis=1), num_classes)


def _per_class(confusion: np.ndarray, videos: VideoScores, dataset: ClipDataset, background: str | None) -> dict:
    """Accuracy and average precision of every class, and their means over the classes with videos."""
    _, labels, scores = videos.means()
    shares = accuracy.accuracy_per_class(confusion)
    precisions = average_precisions(scores, labels)
    counted = precisions[[name != background for name in dataset.classes]]
    return {
        "mean_class_accuracy": float(np.nanmean(shares)),
        "mean_average_precision": None if np.isnan(counted).all() else float(np.nanmean(counted)),
        "videos": int(confusion.sum()),
        "classes_without_videos": [name for name, row in zip(dataset.classes, confusion, strict=True) if not row.any()],
        "per_class": {
            name: {"videos": int(row.sum()), "accuracy": _number(share), "average_precision": _number(precision)}
            for name, row, share, precision in zip(dataset.classes, confusion, shares, precisions, strict=True)
        },
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _write_videos(path: pathlib.Path, videos: VideoScores, classes: tuple[str, ...]) -> None:
    ids, labels, scores = videos.means()
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["video_id", "label", "prediction", "score_of_label"])
        for video, label, row in zip(ids, labels, scores, strict=True):
            writer.writerow([video, classes[label], classes[row.argmax()], f"{row[label]:.6f}"])
