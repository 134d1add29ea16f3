"""A distribution over classes for every clip, such as what `spl_tf.label --strategy=dawid_skene` makes."""

from collections.abc import Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf.labels.targets import DISTRIBUTION
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.single_label import evaluate_single_label
from spl_tf.metrics.video_scores import VideoScores
from spl_tf.training.objectives.objective import Batch, Objective, Outputs, Rows


class SoftLabel(Objective):
    """Cross-entropy of softmax scores against probabilities; validated, like one label a clip, by the first class."""

    target = DISTRIBUTION
    measured = ("accuracy",)
    selected_by = "top_1"

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        log_probabilities = tf.nn.log_softmax(tf.cast(outputs["logits"], tf.float32))
        return -tf.reduce_sum(batch["labels"] * log_probabilities, axis=-1)

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """The share of clips whose highest score is of their most probable class."""
        firsts = [tf.argmax(values, axis=-1) for values in (outputs["logits"], batch["labels"])]
        return {"accuracy": tf.cast(firsts[0] == firsts[1], tf.float32)}

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        firsts = targets["labels"].argmax(axis=1)
        return [
            f"{classes[first]}, {labels[first]:.0%}" for first, labels in zip(firsts, targets["labels"], strict=True)
        ]

    def evaluate(self, videos: VideoScores, classes: Sequence[str]) -> Evaluation:
        return evaluate_single_label(videos)


@gin.configurable
def soft_label() -> SoftLabel:
    """A distribution over classes for every clip."""
    return SoftLabel()
