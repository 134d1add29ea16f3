"""One class a clip: the objective of teacher, pre-training and fine-tuning in the SPL paper (equation 1)."""

from collections.abc import Callable, Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from spl_tf.losses.data_parameters import DataParameters
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.single_label import evaluate_single_label
from spl_tf.metrics.video_scores import VideoScores
from spl_tf.training.objectives.objective import Batch, Notes, Objective, Outputs, Rows, require_loss

Loss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


class SingleLabel(Objective):
    """Softmax scores against one class id; with Data Parameters temperatures divide the logits before the loss."""

    measured = ("accuracy",)
    selected_by = "top_1"

    def __init__(self, loss: Loss, data_parameters: Callable[[int, int], DataParameters] | None):
        require_loss(loss, ("labels", "logits", "epoch"))
        self._loss = loss
        self._make_temperatures = data_parameters
        self.temperatures: DataParameters | None = None

    def build(self, num_classes: int, num_clips: int, counts: ClassCounts) -> None:
        if self._make_temperatures is not None:
            self.temperatures = self._make_temperatures(num_classes, num_clips)

    @property
    def variables(self) -> dict[str, tf.Variable]:
        return self.temperatures.variables if self.temperatures else {}

    def rows(self, batch: Batch) -> Rows:
        return self.temperatures.rows(batch["labels"], batch["index"]) if self.temperatures else {}

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        logits = self.temperatures.scale(outputs["logits"], rows) if self.temperatures else outputs["logits"]
        return self._loss(batch["labels"], logits, epoch)

    def penalty(self, rows: Rows) -> tf.Tensor:
        return self.temperatures.weight_decay(rows) if self.temperatures else super().penalty(rows)

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        predicted = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
        return {"accuracy": tf.cast(predicted == batch["labels"], tf.float32)}

    def notes(self, outputs: Outputs, batch: Batch, gradients: Rows) -> Notes:
        return self.temperatures.slices(batch["labels"], batch["index"], gradients) if self.temperatures else {}

    def update(self, strategy: tf.distribute.Strategy, notes: Notes) -> None:
        if self.temperatures:
            self.temperatures.apply(strategy, notes)

    def histograms(self) -> dict[str, np.ndarray]:
        if not self.temperatures:
            return {}
        return {f"data_parameters/{kind}": values.numpy() for kind, values in self.temperatures.temperatures().items()}

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        return [classes[label] for label in targets["labels"]]

    def evaluate(self, videos: VideoScores, classes: Sequence[str]) -> Evaluation:
        return evaluate_single_label(videos)


@gin.configurable
def single_label(
    *,
    loss: Loss = softmax_cross_entropy,
    data_parameters: Callable[[int, int], DataParameters] | None = None,
) -> SingleLabel:
    """One class a clip.

    Args:
      loss: (labels int32 [B], logits [B, N], epochs done) -> [B].
      data_parameters: (classes, clips) -> temperatures that divide the logits in training; None for none.
    """
    return SingleLabel(loss, data_parameters)
