"""Metrics of videos of one class each: top-1 and top-5, and the accuracy of every class."""

from spl_tf.metrics import accuracy
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.video_scores import VideoScores


def evaluate_single_label(videos: VideoScores) -> Evaluation:
    """Top-1 and top-5 of averaged scores, accuracy of every class, and the confusion matrix.

    Raises:
      UserError: a video has no class or several.
    """
    labels, scores = videos.single_labels(), videos.means()
    confusion = accuracy.confusion_of_predictions(labels, scores.argmax(axis=1), scores.shape[1])
    metrics = {f"top_{k}": accuracy.top_k_accuracy(scores, labels, k) for k in (1, 5)}
    return Evaluation(metrics, {"accuracy": accuracy.accuracy_per_class(confusion)}, confusion)
