"""Several candidates a clip, of which one is right, such as what `spl_tf.label --strategy=partial` makes."""

from collections.abc import Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf.labels.targets import CANDIDATES, SINGLE
from spl_tf.losses.candidate_likelihood import candidate_likelihood
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.single_label import evaluate_single_label
from spl_tf.metrics.video_scores import VideoScores
from spl_tf.training.objectives.objective import Batch, Objective, Outputs, Rows


class PartialLabel(Objective):
    """Softmax scores against the set of candidates; validated as one label a clip."""

    target = CANDIDATES
    predicts = SINGLE
    measured = ("hit_at_1",)
    selected_by = "top_1"

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        return candidate_likelihood(batch["labels"], outputs["logits"])

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """The share of clips whose highest score is of one of their candidates."""
        first = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
        return {"hit_at_1": tf.gather(batch["labels"], first, batch_dims=1)}

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        return [" or ".join(classes[index] for index in np.flatnonzero(own).tolist()) for own in targets["labels"]]

    def evaluate(self, videos: VideoScores, classes: Sequence[str]) -> Evaluation:
        return evaluate_single_label(videos)


@gin.configurable
def partial_label() -> PartialLabel:
    """Several candidates for every clip, of which one is right; clips of one label have one candidate."""
    return PartialLabel()
