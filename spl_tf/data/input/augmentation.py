"""Random draws of a clip, and its change of colour.

The draws are made in tf.data from (seed, epoch, clip id) alone, so they do not
depend on parallelism, batch size or the number of hosts. The colour factors
travel with the batch and are applied on the device: brightness, contrast,
saturation and hue together are one 3x3 matrix and one offset per clip.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from spl_tf.errors import UserError

LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601.
_RGB_TO_YIQ = np.array([LUMA, [0.59590059, -0.27455667, -0.32134392], [0.21153661, -0.52273617, 0.31119955]])
_YIQ_TO_RGB = np.linalg.inv(_RGB_TO_YIQ)

NUM_DRAWS = 8


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Ranges of the colour factors, each drawn uniformly once per clip.

    The paper names brightness, contrast, saturation and hue, not the magnitudes;
    the defaults are those commonly used in TensorFlow (32/255, 0.2 of a turn)
    with the narrower 0.6-1.4 for contrast and saturation.

    Attributes:
      brightness: largest change, of pixels in [0, 1].
      contrast: lowest and highest factor.
      saturation: lowest and highest factor.
      hue: largest rotation, in turns.

    Raises:
      UserError: a range is negative or upside down.
    """

    brightness: float = 32 / 255
    contrast: tuple[float, float] = (0.6, 1.4)
    saturation: tuple[float, float] = (0.6, 1.4)
    hue: float = 0.2

    def __post_init__(self):
        for name in ("brightness", "hue"):
            if getattr(self, name) < 0:
                raise UserError(f"colour jitter: {name} = {getattr(self, name)} is negative, give the largest change")
        for name in ("contrast", "saturation"):
            lowest, highest = getattr(self, name)
            if not 0 <= lowest <= highest:
                raise UserError(f"colour jitter: {name} = {(lowest, highest)}, give (lowest, highest) from 0 upwards")


NO_JITTER = ColorJitter(brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0)


def draw_key(seed: int, epoch: tf.Tensor, clip_id: tf.Tensor, *purpose: str) -> tf.Tensor:
    """int64 [2], the seed of what is drawn of one clip in one epoch for a purpose, e.g. "views".

    The hash (FarmHash) is the same in every TensorFlow version, as is the generator (Philox) that takes it.
    """
    key = tf.strings.join([str(seed), tf.strings.as_string(epoch), clip_id, *purpose], separator="/")
    return tf.stack([tf.strings.to_hash_bucket_fast(key, 2**63 - 1), seed])


def draw_uniforms(seed: int, epoch: tf.Tensor, clip_id: tf.Tensor, num_views: int = 1) -> tf.Tensor:
    """float32 [V, NUM_DRAWS] in [0, 1): all chance of one clip in one epoch; the first view's is the same for any V."""
    return tf.random.stateless_uniform([num_views, NUM_DRAWS], draw_key(seed, epoch, clip_id), alg="philox")


def draw_scales(scales: Sequence[float], key: tf.Tensor, num_views: int) -> tf.Tensor:
    """float32 [V]: one of the scales for each view, all equally likely.

    Args:
      key: int64 [2], as from `draw_key`.
    """
    uniforms = tf.random.stateless_uniform([num_views], key, alg="philox")
    places = tf.minimum(tf.cast(uniforms * len(scales), tf.int32), len(scales) - 1)
    return tf.gather(tf.constant(scales, tf.float32), places)


def draw_color_jitter(jitter: ColorJitter, uniforms: tf.Tensor) -> tf.Tensor:
    """Colour factors of a clip, or of several views.

    Args:
      uniforms: float32 [..., 4] in [0, 1).

    Returns:
      float32 [..., 4]: brightness (added), contrast (factor), saturation (factor), hue (turns).
    """
    lowest = tf.constant([-jitter.brightness, jitter.contrast[0], jitter.saturation[0], -jitter.hue], tf.float32)
    highest = tf.constant([jitter.brightness, jitter.contrast[1], jitter.saturation[1], jitter.hue], tf.float32)
    return lowest + uniforms * (highest - lowest)


def apply_color_jitter(clips: tf.Tensor, color: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast, saturation and hue, in this order, then clipped to [0, 1].

    Contrast stretches around each channel's mean over the whole clip (a mean per
    frame, as `tf.image.adjust_contrast` takes it, makes clips flicker). Saturation
    blends with the luma and hue rotates in YIQ: both linear and without the kinks
    of HSV, which `tf.image` uses; a positive hue turns red towards green in both.

    Args:
      clips: floating [B, T, H, W, 3], RGB in [0, 1].
      color: float32 [B, 4] as from `draw_color_jitter`.

    Returns:
      [B, T, H, W, 3] of the type of `clips`.
    """
    brightness, contrast = color[:, 0, None, None], color[:, 1, None, None]
    shape = tf.shape(clips)
    pixels = tf.reshape(clips, [shape[0], -1, 3])
    mean = tf.reduce_mean(tf.cast(pixels, tf.float32), axis=1, keepdims=True)
    matrix = saturation_and_hue(color[:, 2], color[:, 3])
    offset = tf.matmul((1.0 - contrast) * mean + brightness, matrix)
    changed = tf.matmul(pixels, tf.cast(contrast * matrix, clips.dtype)) + tf.cast(offset, clips.dtype)
    return tf.reshape(tf.clip_by_value(changed, 0.0, 1.0), shape)


def saturation_and_hue(saturation: tf.Tensor, hue: tf.Tensor) -> tf.Tensor:
    """float32 [B, 3, 3] that an RGB row vector is multiplied with from the left.

    Saturation scales the chroma (I, Q) of YIQ and leaves the luma Y: the same as
    blending with the grey picture. So both are one scaled rotation of the chroma.
    """
    angle = -2.0 * math.pi * hue  # HSV and YIQ turn opposite ways.
    along, across = saturation * tf.cos(angle), saturation * tf.sin(angle)
    one, zero = tf.ones_like(hue), tf.zeros_like(hue)
    # Rows: what becomes of Y, I and Q.
    chroma = tf.reshape(
        tf.stack([one, zero, zero, zero, along, across, zero, -across, along], axis=-1),
        [-1, 3, 3],
    )
    to_yiq = tf.constant(_RGB_TO_YIQ.T, tf.float32)
    to_rgb = tf.constant(_YIQ_TO_RGB.T, tf.float32)
    return tf.matmul(tf.matmul(to_yiq[None], chroma), to_rgb[None])
