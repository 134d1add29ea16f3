"""Pretext-Contrastive Learning (Tao, Wang, Yamasaki, arXiv 2010.15464): a pretext task and a contrast of clips."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import gin
import keras
import numpy as np
import tensorflow as tf

from spl_tf.data.input.photometric import Photometric
from spl_tf.data.input.view_samplers import ClipTuple
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.contrastive import info_nce
from spl_tf.losses.memory_bank import MemoryBank
from spl_tf.models.self_supervised import EMBEDDING_UNITS, pcl_projection, pooled
from spl_tf.ranges import Positive, Range
from spl_tf.training.objectives.objective import Batch, Notes, Outputs, Rows
from spl_tf.training.objectives.pretexts import Pretext, clip_operation
from spl_tf.training.objectives.self_supervised import SelfSupervised

# SimCLR's, as the authors' code has it.
COLOR = Photometric(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, solarize=(0.0, 0.0, 0.0))


class PretextContrastive(SelfSupervised):
    """Cross-entropy of the pretext, and that the first and the third clip of a tuple are found among others' clips."""

    measured = ("pretext_accuracy",)

    def __init__(
        self,
        pretext: Pretext,
        *,
        clip_stride: int,
        num_negatives: int,
        temperature: float,
        contrast_weight: float,
        residual: bool,
        photometric: Photometric | None,
    ):
        self.views = ClipTuple(clip_stride, pretext.remote_share, num_negatives)
        self.photometric, self.frame_parts = photometric, pretext.frame_parts
        self._pretext, self._temperature, self._contrast_weight = pretext, temperature, contrast_weight
        self._residual = residual
        self._num_clips = 0
        self._banks: list[MemoryBank] = []

    def head(self, trunk: keras.Model, num_classes: int, seed: int) -> keras.Model:
        """Clips [B * 3, T, H, W, 3] -> {"features": [B * 3, C], "embedding": [B * 3, 128], "pretext": [B, labels]}."""
        features = pooled(trunk)
        outputs = {"embedding": pcl_projection(features), "pretext": self._pretext.head(features, seed)}
        return keras.Model(trunk.input, {"features": features, **outputs}, name="pcl")

    def build(self, num_classes: int, num_clips: int, counts: ClassCounts) -> None:
        self._num_clips = num_clips
        self._banks = [MemoryBank(num_clips, EMBEDDING_UNITS, seed=view) for view in range(2)]

    @property
    def variables(self) -> dict[str, tf.Variable]:
        return {f"bank{view}": bank.values for view, bank in enumerate(self._banks)}

    def change(self, clips: tf.Tensor, batch: Batch) -> tf.Tensor:
        clips = self._pretext.change(clips, batch)
        return tf.roll(clips, 1, axis=2) - clips if self._residual else clips

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        scores = tf.cast(outputs["pretext"], tf.float32)
        pretext = tf.nn.sparse_softmax_cross_entropy_with_logits(self._pretext.labels(batch), scores)
        own, others = batch["index"], tf.cast(batch["negatives"], tf.int64) % self._num_clips
        contrasts = [
            info_nce(view, bank.gather(own), bank.gather(others), self._temperature)
            for view, bank in zip(self._contrasted(outputs, batch), reversed(self._banks), strict=True)
        ]
        return pretext + self._contrast_weight * tf.add_n(contrasts)

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """The share of tuples of which the pretext is told right."""
        predicted = tf.argmax(outputs["pretext"], axis=-1, output_type=tf.int32)
        return {"pretext_accuracy": tf.cast(predicted == self._pretext.labels(batch), tf.float32)}

    def notes(self, outputs: Outputs, batch: Batch, gradients: Rows) -> Notes:
        views = self._contrasted(outputs, batch)
        return {name: tf.IndexedSlices(view, batch["index"]) for name, view in zip(self.variables, views, strict=True)}

    def update(self, strategy: tf.distribute.Strategy, notes: Notes) -> None:
        for bank, name in zip(self._banks, self.variables, strict=True):
            bank.update(strategy, notes[name])

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        return [self._pretext.names[label] for label in self._pretext.labels(dict(targets)).numpy()]

    def _contrasted(self, outputs: Outputs, batch: Batch) -> list[tf.Tensor]:
        """Embeddings of the first and of the third clip, float32 [b, D] each."""
        both = tf.gather(self.embeddings(outputs), self._pretext.places(batch), batch_dims=1)
        return [both[:, 0], both[:, 1]]


@gin.configurable
def pcl(
    *,
    pretext: Callable[[], Pretext] = clip_operation,
    clip_stride: Annotated[int, Range(1)] = 24,
    negatives: Annotated[int, Range(1)] = 1024,
    temperature: Positive = 0.07,
    contrast_weight: Annotated[float, Range(0)] = 0.5,
    residual: bool = False,
    strong_color: bool = True,
) -> PretextContrastive:
    """Pretext-Contrastive Learning: three clips of a video are told from those of others, and what was done to them.

    The loss is that of the pretext plus `contrast_weight` times two InfoNCE losses: the first clip of a tuple among
    third clips of other videos, and the third among first ones. Embeddings of other clips, of earlier steps, are in two
    memory banks with 512 bytes a clip of the data set each, which are part of a checkpoint. Nothing is validated.

    Args:
      pretext: `clip_operation` (VCP, all that the authors released), `clip_rotation` or `clip_order`.
      clip_stride: from the first frame of a clip to the next one's, in drawn frames. 24 is VCOP's, 16 frames and 8
        between; the authors' code takes 11, by which clips overlap.
      negatives: random clips of the data set, drawn for each clip and epoch anew; its own is not left out.
      temperature: of the contrast.
      contrast_weight: of either direction of the contrast.
      residual: the network sees each frame's difference from the one before, x[t - 1] - x[t], around the end. The
        authors' best form; networks trained, tested and served here see RGB, as NoisyActions2M's did, and begin with
        other inputs then.
      strong_color: jitter, grey and blur of the authors' code; False leaves the colour to `training_clips`.
    """
    return PretextContrastive(
        pretext(),
        clip_stride=clip_stride,
        num_negatives=negatives,
        temperature=temperature,
        contrast_weight=contrast_weight,
        residual=residual,
        photometric=COLOR if strong_color else None,
    )
