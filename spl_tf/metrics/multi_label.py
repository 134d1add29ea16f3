"""Metrics of videos of any number of classes: average precision, macro and micro, and top-k hits."""

import numpy as np

from spl_tf.metrics.average_precision import average_precision, average_precisions
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.video_scores import VideoScores


def evaluate_multi_label(videos: VideoScores, num_classes: int) -> Evaluation:
    """Average precision of every class and its mean, that of all decisions together, and the share of top-1 hits.

    "mean_average_precision" is the macro mean, over the classes that some video has;
    "micro_average_precision" takes every pair of video and class for one decision; "hit_at_1" is the
    share of videos whose highest score is of a class they have.
    """
    scores, relevant = videos.means(), videos.relevance(num_classes)
    precisions = average_precisions(scores, relevant)
    first = scores.argmax(axis=1)
    metrics = {
        "mean_average_precision": float(np.nanmean(precisions)) if relevant.any() else float("nan"),
        "micro_average_precision": average_precision(scores.ravel(), relevant.ravel()),
        "hit_at_1": float(np.mean(relevant[np.arange(len(first)), first])),
    }
    return Evaluation(metrics, {"average_precision": precisions})
