"""What an evaluation reports, in numpy: videos from views and clips, top-k, average precision, per class."""

from spl_tf.metrics.accuracy import accuracy_per_class, confusion_of_predictions, rank_of_label, top_k_accuracy
from spl_tf.metrics.average_precision import average_precision, average_precisions

__all__ = [
    "accuracy_per_class",
    "average_precision",
    "average_precisions",
    "confusion_of_predictions",
    "rank_of_label",
    "top_k_accuracy",
]
