"""From stored pixels to what a network sees; the same in training, evaluation and serving."""

import tensorflow as tf

from spl_tf.data.input.augmentation import apply_color_jitter
from spl_tf.data.input.photometric import Photometric
from spl_tf.input_range import DEVIATION, MEAN


def normalize(clips: tf.Tensor) -> tf.Tensor:
    """(x / 255 - 0.45) / 0.225: all that is done to clips in evaluation and serving.

    Args:
      clips: uint8 or floating [B, T, H, W, 3] in [0, 255].

    Returns:
      float32 [B, T, H, W, 3].
    """
    return (tf.cast(clips, tf.float32) - 255.0 * MEAN) / (255.0 * DEVIATION)


def prepare_training(clips: tf.Tensor, color: tf.Tensor) -> tf.Tensor:
    """Colour jitter, then normalisation.

    Args:
      clips: uint8 [B, T, H, W, 3].
      color: float32 [B, 4], see `augmentation.draw_color_jitter`.

    Returns:
      float32 [B, T, H, W, 3].
    """
    return (apply_color_jitter(tf.cast(clips, tf.float32) / 255.0, color) - MEAN) / DEVIATION


def prepare_views(clips: tf.Tensor, color: tf.Tensor, photometric: Photometric | None) -> tf.Tensor:
    """Change of colour of several views of each clip, then normalisation.

    Args:
      clips: uint8 [B, V, T, H, W, 3].
      color: float32 [B, V, ...], as the batch has it.
      photometric: what `color` are the draws of; None for those of `augmentation.draw_color_jitter`.

    Returns:
      float32 [B, V, T, H, W, 3].
    """
    if photometric is not None:
        return (photometric.apply(tf.cast(clips, tf.float32) / 255.0, color) - MEAN) / DEVIATION
    shape = tf.shape(clips)
    views = tf.reshape(clips, tf.concat([[-1], shape[2:]], axis=0))
    return tf.reshape(prepare_training(views, tf.reshape(color, [-1, color.shape[-1]])), shape)
