"""Metrics of videos of any number of classes: average precision, macro and micro, and top-k hits."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.metrics.average_precision import average_precision, average_precisions
from spl_tf.metrics.class_groups import means_of_groups
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.video_scores import VideoScores


def evaluate_multi_label(videos: VideoScores, num_classes: int) -> Evaluation:
    """Average precision of every class and its mean, that of all decisions together, and the share of top-k hits.

    "mean_average_precision" is the macro mean, over the classes that some video has;
    "micro_average_precision" takes every pair of video and class for one decision; "hit_at_k" is the
    share of videos that have one of the k classes of their highest scores.
    """
    scores, relevant = videos.means(), videos.relevance(num_classes)
    precisions = average_precisions(scores, relevant)
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)
    metrics = {
        "mean_average_precision": float(np.nanmean(precisions)) if relevant.any() else float("nan"),
        "micro_average_precision": average_precision(scores.ravel(), relevant.ravel()),
        **{f"hit_at_{k}": float(np.mean(hits[:, :k].any(axis=1))) for k in (1, 5)},
    }
    return Evaluation(metrics, {"average_precision": precisions})


def evaluate_with_groups(videos: VideoScores, clips_of_class: Sequence[int] | np.ndarray) -> Evaluation:
    """`evaluate_multi_label`, and the mean average precision of classes of many, some and few clips in training, [N].

    Of a short tail, or of few videos, there may be no class of a group: nothing to draw a curve of, it is left out.
    """
    found = evaluate_multi_label(videos, len(clips_of_class))
    groups = means_of_groups(found.per_class["average_precision"], clips_of_class)
    return dataclasses.replace(
        found, metrics=found.metrics | {name: value for name, value in groups.items() if not np.isnan(value)}
    )
