"""Metrics of a network on a clean data set: one prediction per video."""

import csv
import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import gin
import numpy as np

from spl_tf import checksums, files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.input.looping import tell_of_looping
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference import stage_folder
from spl_tf.inference.scores import ClipScores, score_trained
from spl_tf.inference.sliding import slide_over
from spl_tf.inference.trained_model import (
    load_trained,
    require_distributions,
    require_fitting_clips,
    require_fitting_data,
)
from spl_tf.labels.classes import require_same_classes
from spl_tf.labels.target_shares import read_target_shares
from spl_tf.labels.targets import SEVERAL
from spl_tf.metrics.average_precision import average_precisions
from spl_tf.metrics.class_groups import means_of_groups
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.multi_label import evaluate_multi_label
from spl_tf.metrics.single_label import evaluate_single_label
from spl_tf.metrics.video_scores import VideoScores
from spl_tf.ranges import Part
from spl_tf.remote import addresses, mirror


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
    labels_dir: files.Path | None = None,
    query_share: Part = 0.5,
    batch_size: int = 16,
    precision: str = "float32",
) -> dict:
    """Evaluates a finished stage and writes what a later comparison needs.

    The SPL paper's protocol (section 4.2) is one long view of the whole video: 64 frames of stride 4, short
    side 256. That of Non-local Networks is 10 views x 3 crops of 256 pixels, fully convolutional.

    Args:
      model_dir: folder of a finished stage.
      shards: folder of shards with true labels.
      output_dir: gets `confusion.npy` (of one label a clip), `videos.csv` (one row a video), `scores.npy`
        (float32 [videos, N], rows in the order of `videos.csv`), and last `metrics.json`, which names the classes
        without videos: no mean counts them.
      num_views: uniformly spaced temporal views of each record.
      num_crops: windows of each view, uniformly spaced along the long side.
      num_frames, frame_stride, crop_size: of a view, where they shall not be those of the training clips.
      fully_convolutional: classify every position of the feature map that a training clip's crop would
        fill, and average the scores; else features are averaged first. They differ for larger crops.
      background: a class that counts in no mean average precision (SoccerNet's).
      labels_dir: of a network pre-trained on the labels of this folder, which has their classes: its scores are summed
        to those of the target classes, see `spl_tf.labels.target_shares`.
      query_share: of the score of an off-diagonal SPL class that goes to the class its clips were queried for, the
        rest to the one the teacher saw.
      batch_size: views at once.
      precision: "auto", "float32" or "bfloat16".

    Returns:
      The content of `metrics.json`.

    Raises:
      UserError: model and data don't fit together, a record can't be read, or the output would lie among a stage's.
    """
    output_dir = pathlib.Path(output_dir)
    if (output_dir / stage_folder.FINISHED).exists():
        raise UserError(f"{output_dir} is a stage's own folder, with metrics.json of its own: choose another one")
    strategy = device_strategy()
    dataset = load_dataset(shards)
    if background is not None and background not in dataset.classes:
        raise UserError(f"evaluate_model.background = {background!r} is no class of {shards}: check the name")
    shares = None if labels_dir is None else read_target_shares(labels_dir, query_share)
    with strategy.scope():
        trained = load_trained(model_dir, choose_policy(precision))
        if shares is None:
            _refuse_unsummed(trained.classes, model_dir, dataset)
            require_fitting_data(trained, model_dir, dataset)
        else:
            require_distributions(model_dir, "the sum of SPL classes")
            require_same_classes(trained.classes, str(model_dir), shares.class_names, str(labels_dir))
            require_same_classes(shares.target_classes, str(labels_dir), dataset.classes, dataset.folder)
            require_fitting_clips(trained, model_dir, dataset)
        network = slide_over(trained) if fully_convolutional else trained.network
    given = {"num_frames": num_frames, "frame_stride": frame_stride, "crop_size": crop_size}
    view = dataclasses.replace(trained.clip_input, **{name: value for name, value in given.items() if value})
    several = trained.target == SEVERAL or dataset.multi_label
    tell_of_looping(dataset, view)
    viewed = dataclasses.replace(trained, network=network, clip_input=view)
    options: dict[str, Any] = {"batch_size": batch_size, "num_views": num_views, "num_crops": num_crops}
    clips = score_trained(viewed, dataset, strategy, description="evaluate", **options)
    if shares is not None:
        clips = (dataclasses.replace(clip, scores=shares.scores(clip.scores)) for clip in clips)
    videos = average_videos(clips)
    found = evaluate_multi_label(videos, dataset.num_classes) if several else evaluate_single_label(videos)
    metrics: dict[str, Any] = {name: _number(value) for name, value in found.metrics.items()}
    clips_of_class = trained.clips_of_class if several else None
    metrics |= _per_class(found, videos, dataset, background, clips_of_class) | {"clips": dataset.num_clips}
    metrics |= {"shards": addresses.shown(shards), "model": addresses.shown(model_dir), "precision": trained.precision}
    metrics |= {name: getattr(view, name) for name in given}
    metrics |= {"num_views": num_views, "num_crops": num_crops, "fully_convolutional": fully_convolutional}
    metrics |= {"background": background, "target": trained.target}
    if shares is not None:
        metrics |= {
            "labels": addresses.shown(str(labels_dir)),
            "query_share": query_share,
            "classes_summed": len(shares.class_names),
        }
    arrays = {"scores": videos.means().astype(np.float32)}
    if found.confusion is not None:
        arrays["confusion"] = found.confusion
    finished = output_dir / "metrics.json"
    if finished.exists():
        print(f"{output_dir}: replaces the evaluation that lies there", flush=True)
        mirror.remove(finished)  # Until it is back the folder is incomplete.
    for name, values in arrays.items():
        with files.atomic_path(output_dir / f"{name}.npy") as path:
            np.save(path, values)
    _write_videos(output_dir / "videos.csv", videos, dataset.classes)
    written = ["videos.csv", *(f"{name}.npy" for name in arrays)]
    checksums.complete(output_dir, dict.fromkeys(written), "metrics.json", files.json_text(metrics))
    return metrics


def _refuse_unsummed(classes: Sequence[str], model_dir: files.Path, dataset: ClipDataset) -> None:
    if {*dataset.classes} < {*classes}:
        raise UserError(
            f"{model_dir} has {len(classes)} classes, those of {dataset.folder} among them: of a network pre-trained "
            "on labels of spl_tf.label name their folder, --labels"
        )


def average_videos(clips: Iterable[ClipScores]) -> VideoScores:
    """Scores averaged over the records of each video."""
    videos = VideoScores()
    for clip in clips:
        videos.add(clip.video_id, clip.labels, clip.scores)
    return videos


def _per_class(
    found: Evaluation,
    videos: VideoScores,
    dataset: ClipDataset,
    background: str | None,
    clips_of_class: Sequence[int] | None,
) -> dict:
    """Measures of every class, and their means over the classes with videos, and over groups of these."""
    relevant = videos.relevance(dataset.num_classes)
    precisions = found.per_class.get("average_precision")
    if precisions is None:
        precisions = average_precisions(videos.means(), relevant)
    measures = {**found.per_class, "average_precision": precisions}
    counted = np.where([name != background for name in dataset.classes], precisions, np.nan)
    means: dict[str, float | None] = {}
    if "accuracy" in measures:
        means["mean_class_accuracy"] = float(np.nanmean(measures["accuracy"]))
    means["mean_average_precision"] = None if np.isnan(counted).all() else float(np.nanmean(counted))
    if clips_of_class is not None:
        means |= {name: _number(value) for name, value in means_of_groups(counted, clips_of_class).items()}
    return means | {
        "videos": len(videos.ids),
        "classes_without_videos": [
            name for name, own in zip(dataset.classes, relevant.T, strict=True) if not own.any()
        ],
        "per_class": {
            name: {"videos": int(relevant[:, index].sum())}
            | {measure: _number(values[index]) for measure, values in measures.items()}
            for index, name in enumerate(dataset.classes)
        },
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _write_videos(path: pathlib.Path, videos: VideoScores, classes: tuple[str, ...]) -> None:
    """One row a video; several labels have a | between, as in a manifest, and so have their scores."""
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["video_id", "label", "prediction", "score_of_label"])
        for video, row in zip(videos.ids, videos.means(), strict=True):
            labels = videos.labels[video]
            names, scores = (
                "|".join(texts) for texts in ((classes[i] for i in labels), (f"{row[i]:.6f}" for i in labels))
            )
            writer.writerow([video, names, classes[row.argmax()], scores])
