"""Metrics of videos of any number of classes: average precision, macro and micro, and top-k hits."""

import numpy as np

from spl_tf.metrics.average_precision import average_precision, average_precisions
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
