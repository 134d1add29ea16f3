"""Metrics of a network on a clean data set: one prediction per video."""

import csv
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
from spl_tf.inference.trained_model import ClipInput, load_trained, require_fitting_data
from spl_tf.metrics import accuracy
from spl_tf.metrics.averaging import VideoScores


@gin.configurable
def evaluate_model(
    model_dir: files.Path,
    shards: files.Path,
    output_dir: files.Path,
    *,
    num_views: int = 1,
    batch_size: int = 16,
    precision: str = "float32",
) -> dict:
    """Evaluates a finished stage and writes what a later comparison needs.

    Args:
      model_dir: folder of a finished stage.
      shards: folder of shards with true labels.
      output_dir: gets `metrics.json`, `confusion.npy` and `videos.csv` (one row a video).
      num_views: uniformly spaced temporal views of each record.
      batch_size: views at once.
      precision: "auto", "float32", "bfloat16" or "float16".

    Returns:
      The content of `metrics.json`.

    Raises:
      UserError: model and data don't fit together, or a record can't be read.
    """
    output_dir = pathlib.Path(output_dir)
    strategy = device_strategy()
    with strategy.scope():
        trained = load_trained(model_dir, choose_policy(precision))
    dataset = load_dataset(shards)
    require_fitting_data(trained, model_dir, dataset)
    videos = score_videos(
        trained.network, dataset, trained.clip_input, strategy, batch_size=batch_size, num_views=num_views
    )
    confusion = _confusion(videos, dataset)
    metrics = {**summarize(videos), **_per_class(confusion, dataset), "clips": dataset.num_clips}
    metrics |= {"shards": str(shards), "model": str(model_dir), "num_views": num_views, "precision": trained.precision}
    with files.atomic_path(output_dir / "confusion.npy") as path:
        np.save(path, confusion)
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


def _confusion(videos: VideoScores, dataset: ClipDataset) -> np.ndarray:
    """int64 [N, N], videos by true class and prediction."""
    _, labels, scores = videos.means()
    return accuracy.confusion_of_predictions(labels, scores.argmax(axis=1), len(dataset.classes))


def _per_class(confusion: np.ndarray, dataset: ClipDataset) -> dict:
    """The metrics that follow from the confusion matrix."""
    shares = accuracy.accuracy_per_class(confusion)
    return {
        "mean_class_accuracy": float(np.nanmean(shares)),
        "videos": int(confusion.sum()),
        "per_class": {
            name: {"videos": int(row.sum()), "accuracy": None if np.isnan(share) else float(share)}
            for name, row, share in zip(dataset.classes, confusion, shares, strict=True)
        },
    }


def _write_videos(path: pathlib.Path, videos: VideoScores, classes: tuple[str, ...]) -> None:
    ids, labels, scores = videos.means()
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["video_id", "label", "prediction", "score_of_label"])
        for video, label, row in zip(ids, labels, scores, strict=True):
            writer.writerow([video, classes[label], classes[row.argmax()], f"{row[label]:.6f}"])
