"""What Pretext-Contrastive Learning has to find out of a tuple of three clips: what was done to it."""

import itertools
from collections.abc import Sequence

import gin
import keras
import numpy as np
import tensorflow as tf

from spl_tf.models.self_supervised import joined_classifier, middle_classifier, order_classifier
from spl_tf.training.objectives.objective import Batch

_CHUNKS = 4
_SWAPS = tuple(itertools.combinations(range(_CHUNKS), 2))
_ORDERS = tuple(itertools.permutations(range(3)))


class Pretext:
    """Something done to a tuple by chance, and the head that has to tell what.

    Attributes:
      names: of the labels.
      remote_share: how often the middle clip is a remote one, see `view_samplers.ClipTuple`.
      frame_parts: of equal length that it cuts a clip's frames into.
    """

    names: Sequence[str]
    remote_share: float = 0.0
    frame_parts: int = 1

    def labels(self, batch: Batch) -> tf.Tensor:
        """int32 [b]: what is done to each tuple."""
        return _choice(batch["chance"][:, 0], len(self.names))

    def change(self, clips: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Does it, to float32 [b, 3, T, H, W, 3]."""
        raise NotImplementedError

    def places(self, batch: Batch) -> tf.Tensor:
        """int32 [b, 2]: where in the changed tuple its first and its third clip are."""
        return tf.tile([[0, 2]], [tf.shape(batch["chance"])[0], 1])

    def head(self, features: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        """Scores of the labels, [B, labels], from the features of every clip, [B * 3, C]."""
        raise NotImplementedError


class ClipOperation(Pretext):
    """Video Cloze Procedure: what was done to the middle clip."""

    names = ("nothing", "rotation", "quadrants", "time", "remote")
    remote_share = 0.2
    frame_parts = _CHUNKS

    def labels(self, batch: Batch) -> tf.Tensor:
        others = _choice(batch["chance"][:, 0], len(self.names) - 1)
        return tf.where(batch["remote"], len(self.names) - 1, others)

    def change(self, clips: tf.Tensor, batch: Batch) -> tf.Tensor:
        first, middle, third = tf.unstack(clips, axis=1)
        labels, chance = self.labels(batch), batch["chance"][:, 1]
        middle = rotated(middle, tf.where(labels == 1, 1 + _choice(chance, 3), 0))
        middle = _where(labels == 2, permuted_quadrants(middle), middle)
        middle = tf.gather(middle, _swapped_frames(middle.shape[1], labels == 3, chance), axis=1, batch_dims=1)
        return tf.stack([first, middle, third], axis=1)

    def head(self, features: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        return joined_classifier(features, len(self.names))


class Rotation(Pretext):
    """3DRotNet: how far the middle clip was turned."""

    names = ("0 degrees", "90 degrees", "180 degrees", "270 degrees")

    def change(self, clips: tf.Tensor, batch: Batch) -> tf.Tensor:
        first, middle, third = tf.unstack(clips, axis=1)
        return tf.stack([first, rotated(middle, self.labels(batch)), third], axis=1)

    def head(self, features: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        return middle_classifier(features, len(self.names))


class ClipOrder(Pretext):
    """Video Clip Order Prediction: in which order the clips were put."""

    names = tuple("-".join(str(clip + 1) for clip in order) for order in _ORDERS)

    def change(self, clips: tf.Tensor, batch: Batch) -> tf.Tensor:
        return tf.gather(clips, tf.gather(_ORDERS, self.labels(batch)), axis=1, batch_dims=1)

    def places(self, batch: Batch) -> tf.Tensor:
        places = np.argsort(_ORDERS, axis=1).astype(np.int32)
        return tf.gather(places[:, [0, 2]], self.labels(batch))

    def head(self, features: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        return order_classifier(features, len(self.names), seed)


def rotated(clips: tf.Tensor, quarters: tf.Tensor) -> tf.Tensor:
    """Square clips [b, T, S, S, C] turned counter-clockwise by quarters of a turn, int32 [b] from 0 to 3."""
    turned_once = tf.reverse(tf.transpose(clips, [0, 1, 3, 2, 4]), axis=[2])
    clips = _where(quarters % 2 == 1, turned_once, clips)
    return _where(quarters >= 2, tf.reverse(clips, axis=[2, 3]), clips)


def permuted_quadrants(clips: tf.Tensor) -> tf.Tensor:
    """[b, T, H, W, C] whose quadrants A B / C D become D C / B A; the authors' code has this order alone."""
    rows, columns = clips.shape[2] // 2, clips.shape[3] // 2
    clips = tf.concat([clips[:, :, rows:], clips[:, :, :rows]], axis=2)
    return tf.concat([clips[:, :, :, columns:], clips[:, :, :, :columns]], axis=3)


def _swapped_frames(num_frames: int, is_swapped: tf.Tensor, chance: tf.Tensor) -> tf.Tensor:
    """int32 [b, T]: frames in order, or with two of their four equal parts exchanged, bool [b]."""
    orders = [list(range(_CHUNKS)) for _ in _SWAPS]
    for order, (one, other) in zip(orders, _SWAPS, strict=True):
        order[one], order[other] = order[other], order[one]
    frames = np.arange(num_frames, dtype=np.int32).reshape(_CHUNKS, -1)[np.array(orders)].reshape(len(_SWAPS), -1)
    swapped = tf.gather(frames, _choice(chance, len(_SWAPS)))
    return tf.where(is_swapped[:, tf.newaxis], swapped, tf.range(num_frames))


def _choice(uniforms: tf.Tensor, count: int) -> tf.Tensor:
    """int32 in [0, count) from float32 in [0, 1)."""
    return tf.minimum(tf.cast(uniforms * count, tf.int32), count - 1)


def _where(condition: tf.Tensor, changed: tf.Tensor, clips: tf.Tensor) -> tf.Tensor:
    return tf.where(condition[:, tf.newaxis, tf.newaxis, tf.newaxis, tf.newaxis], changed, clips)


@gin.configurable
def clip_operation() -> Pretext:
    """VCP (Luo et al., AAAI 2020), the pretext of PCL's released code: one of five things is done to the middle clip.

    Nothing; a rotation by 90, 180 or 270 degrees; its quadrants exchanged; two of its quarters in time exchanged; or a
    remote clip in its place, see `ClipTuple`. The features of all three clips tell which.
    """
    return ClipOperation()


@gin.configurable
def clip_rotation() -> Pretext:
    """3DRotNet (Jing et al. 2018): by which multiple of 90 degrees the middle clip is turned, told from it alone.

    Its neighbours stay upright for the contrast, and would give the answer away.
    """
    return Rotation()


@gin.configurable
def clip_order() -> Pretext:
    """VCOP (Xu et al., CVPR 2019): in which of six orders the three clips are."""
    return ClipOrder()
