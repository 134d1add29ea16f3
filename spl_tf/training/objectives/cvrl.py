"""Contrastive Video Representation Learning (Qian et al., CVPR 2021): two windows of a video among all of a batch."""

from collections.abc import Mapping, Sequence

import gin
import keras
import numpy as np
import tensorflow as tf

from spl_tf.data.input.photometric import Photometric
from spl_tf.data.input.view_samplers import TwoWindows
from spl_tf.losses.contrastive import nt_xent
from spl_tf.models.self_supervised import cvrl_projection, pooled
from spl_tf.ranges import Positive
from spl_tf.training.objectives.objective import Batch, Outputs, Rows
from spl_tf.training.objectives.self_supervised import SelfSupervised

# SimCLR's of strength 1, and the solarisation of BYOL's second view.
COLOR = Photometric(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, solarize=(0.0, 0.2))


class WindowContrast(SelfSupervised):
    """NT-Xent of two windows of each clip over the global batch."""

    views = TwoWindows()
    measured = ("contrast_accuracy",)
    compares_clips = True

    def __init__(self, temperature: float, photometric: Photometric | None):
        self.photometric = photometric
        self._temperature = temperature

    def head(self, trunk: keras.Model, num_classes: int, seed: int) -> keras.Model:
        """Clips [B * 2, T, H, W, 3] -> {"features": [B * 2, C], "embedding": [B * 2, 128]}."""
        features = pooled(trunk)
        outputs = {"features": features, "embedding": cvrl_projection(features)}
        return keras.Model(trunk.input, outputs, name="cvrl")

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        own, everyone, places = self._compared(outputs)
        first, second = own[:, 0], own[:, 1]
        return nt_xent(first, second, everyone[:, 0], everyone[:, 1], places, self._temperature)

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """The share of clips whose second window is the one nearest to their first."""
        own, everyone, places = self._compared(outputs)
        nearest = tf.argmax(tf.matmul(own[:, 0], everyone[:, 1], transpose_b=True), axis=1, output_type=tf.int32)
        return {"contrast_accuracy": tf.cast(nearest == places, tf.float32)}

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        return [f"clip {index}" for index in targets["index"]]

    def _compared(self, outputs: Outputs) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Embeddings of this replica's clips [b, 2, D], of the global batch [B, 2, D], and the former's places there.

        Gradients flow through the gathered ones too: those of all replicas' losses, summed.
        """
        own = self.embeddings(outputs)
        context = tf.distribute.get_replica_context()
        size = tf.shape(own)[0]
        return own, context.all_gather(own, axis=0), context.replica_id_in_sync_group * size + tf.range(size)


@gin.configurable
def cvrl(*, temperature: Positive = 0.1, strong_color: bool = True) -> WindowContrast:
    """CVRL: two windows of a video, near each other more often than far, are told from those of the whole batch's.

    The paper's batches are of 1024 clips; every clip of a batch is the negative of the others, so micro-batches would
    leave fewer, and are refused. Normalization per replica tells which clips are together: set
    network_style.synchronized_bn where there are several. Nothing is validated.

    Args:
      temperature: of the contrast.
      strong_color: jitter, grey, blur and solarisation of the paper; False leaves the colour to `training_clips`.
    """
    return WindowContrast(temperature, COLOR if strong_color else None)
