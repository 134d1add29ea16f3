"""The seam between a stage of training and what it trains for."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.photometric import Photometric
from spl_tf.data.input.preprocessing import prepare_training
from spl_tf.data.input.targets import TrainingTargets
from spl_tf.data.input.view_samplers import RandomViews, ViewSampler
from spl_tf.errors import UserError
from spl_tf.labels.targets import SINGLE
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.video_scores import VideoScores
from spl_tf.models.classifier import classifier

Batch = dict[str, tf.Tensor]
Outputs = Mapping[str, tf.Tensor]
Rows = dict[str, tf.Tensor]
Notes = dict[str, tf.Tensor | tf.IndexedSlices]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Objective:
    """What the network learns, step by step. The methods below are all that a stage asks of it.

    A step is, on every replica,

      rows = objective.rows(batch)
      outputs = network(objective.prepare(batch), training=True)
      loss = sum(objective.losses(outputs, batch, rows, epoch) * weights) / global batch + objective.penalty(rows)

    and, once for all of them, `objective.update` with the `notes` of the whole batch. Most objectives have no `rows`,
    `notes` and `variables`: these are for what is trained or kept beside the network, such as temperatures of clips
    or a memory bank.

    Attributes:
      target: form of the targets in a batch, see `spl_tf.labels.targets`.
      measured: names of the `measures`.
      views: of a clip in a batch, and what else is drawn with them.
      photometric: their change of colour; None for that of `training_clips`.
      compares_clips: whether the loss of a clip depends on the others of its batch, which micro-batches would part.
      frame_parts: of equal length that it cuts the frames of a clip into.
      selected_by: the validation metric by which `train_stage.select = 'best'` chooses; larger is better.
    """

    target: str = SINGLE
    measured: tuple[str, ...] = ()
    views: ViewSampler = RandomViews()
    photometric: Photometric | None = None
    compares_clips: bool = False
    frame_parts: int = 1
    selected_by: str

    @property
    def predicts(self) -> str:
        """Form by which logits become scores, see `trained_model.scores_of`: that of the targets, unless said."""
        return self.target

    def targets(self, joined: TrainingTargets, dataset: ClipDataset, seed: int) -> TrainingTargets:
        """What is looked up for a batch, where it is not simply the targets of the clips."""
        return joined

    def head(self, trunk: keras.Model, num_classes: int, seed: int) -> keras.Model:
        """Puts the head on a backbone: clips [B, T, H, W, 3] -> {"features": [B, C], "logits": [B, N], ...}."""
        return classifier(trunk, num_classes, seed=seed)

    def stored(self, trunk: keras.Model, network: keras.Model) -> keras.Model:
        """What is kept for inference of a backbone with its head: clips -> {"features", "logits"}."""
        return network

    def build(self, num_classes: int, num_clips: int, counts: ClassCounts) -> None:
        """Creates variables, in the strategy's scope, for N classes and the clips of the data set.

        Args:
          num_classes: N.
          num_clips: of the data set, which the index of a clip counts; training may discard some.
          counts: of the clips that training uses.
        """

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """What a checkpoint holds of it, by name."""
        return {}

    def prepare(self, batch: Batch) -> tf.Tensor:
        """The network's input, made on the device: float32 [b, T, H, W, 3]."""
        return prepare_training(batch["clips"], batch["color"])

    def rows(self, batch: Batch) -> Rows:
        """Values that belong to the clips of a batch and are trained with it, [b] of each name."""
        return {}

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        """Loss of every clip, float32 [b]; `epoch` is the epochs done, with its fraction."""
        raise NotImplementedError

    def penalty(self, rows: Rows) -> tf.Tensor:
        """Added to the loss, scalar: the sum over a replica's clips of what `rows` cost. Asked where there are any."""
        return tf.zeros(())

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """What is shown beside the loss, float32 [b] each; means over the clips are shown."""
        return {}

    def notes(self, outputs: Outputs, batch: Batch, gradients: Rows) -> Notes:
        """What `update` needs to know of a batch, [b, ...] each; `gradients` are those of `rows`."""
        return {}

    def update(self, strategy: tf.distribute.Strategy, notes: Notes) -> None:
        """Moves `variables` after a step, in cross-replica context; notes are of the global batch, [B, ...] each."""

    def histograms(self) -> dict[str, np.ndarray]:
        """Values of `variables` for TensorBoard, by tag."""
        return {}

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        """A line of text on the targets of each of n clips of a batch."""
        raise NotImplementedError

    def evaluate(self, videos: VideoScores, classes: Sequence[str]) -> Evaluation:
        """Measures scores of validation videos."""
        raise NotImplementedError


def make_objective(builder: Callable[..., Objective], **options: Callable[..., Any] | None) -> Objective:
    """The objective with those of its options that a stage was given.

    Raises:
      UserError: it has no such option, or the loss is one of another objective.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := given.keys() - inspect.signature(builder).parameters.keys():
        name = min(unknown)
        raise UserError(f"train_stage.{name}: the objective {builder.__name__} has no {name}; leave the binding out")
    return builder(**given)


def require_loss(loss: Callable[..., tf.Tensor], arguments: Sequence[str]) -> None:
    """Raises UserError unless a loss can be called with these, the ones of an objective."""
    names = [name for name, each in inspect.signature(loss).parameters.items() if each.kind in _POSITIONAL]
    if len(names) < len(arguments) or ("known" in names) != ("known" in arguments):
        raise UserError(
            f"{getattr(loss, '__name__', loss)} is no loss of this objective, which calls it with "
            f"({', '.join(arguments)}): give another loss, or train_stage.objective the one that fits"
        )
