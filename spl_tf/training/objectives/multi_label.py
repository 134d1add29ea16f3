"""Any number of classes a clip: every class is a yes or no of its own."""

from collections.abc import Callable, Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf.labels.targets import SEVERAL
from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.multi_label import evaluate_with_groups
from spl_tf.metrics.video_scores import VideoScores
from spl_tf.training.objectives.objective import Batch, Objective, Outputs, Rows, require_loss

Loss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, ClassCounts], tf.Tensor]


class MultiLabel(Objective):
    """Sigmoid scores against labels 0 or 1 of every class; classes of which nothing is known count neither way."""

    target = SEVERAL
    measured = ("hit_at_1",)
    selected_by = "mean_average_precision"

    def __init__(self, loss: Loss):
        require_loss(loss, ("labels", "logits", "known", "epoch", "counts"))
        self._loss = loss
        self._counts: ClassCounts

    def build(self, num_classes: int, num_clips: int, counts: ClassCounts) -> None:
        self._counts = counts

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        return self._loss(batch["labels"], outputs["logits"], batch["known"], epoch, self._counts)

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """The share of clips whose highest score is of a class they have."""
        first = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
        return {"hit_at_1": tf.gather(batch["labels"], first, batch_dims=1)}

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        rows = targets["labels"]
        return [", ".join(name for name, has in zip(classes, labels, strict=True) if has) for labels in rows]

    def evaluate(self, videos: VideoScores, classes: Sequence[str]) -> Evaluation:
        return evaluate_with_groups(videos, self._counts.clips)


@gin.configurable
def multi_label(*, loss: Loss = sigmoid_cross_entropy) -> MultiLabel:
    """Any number of classes a clip.

    Args:
      loss: (labels float32 [B, N] of 0 and 1, logits [B, N], known float32 [B, N], epochs done, class counts) -> [B]:
        `sigmoid_cross_entropy`, `focal`, `asymmetric`; for long tails `distribution_balanced`; for labels that are
        missing `splc` or `large_loss_rejection`.
    """
    return MultiLabel(loss)
