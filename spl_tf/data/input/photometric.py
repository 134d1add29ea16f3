"""Changes of colour and sharpness by which self-supervised learning makes two views of a clip differ.

Drawn once a view, so that its frames are changed alike, and applied on the device. The draws travel with the batch as
the plain numbers they are made of.
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from spl_tf.data.input.augmentation import LUMA, saturation_and_hue

# Four factors of colour, four places in the order of their steps, and, each with its own chance: jitter, grey, blur
# and its width, solarisation.
NUM_DRAWS = 13


@dataclasses.dataclass(frozen=True)
class Photometric:
    """Colour jitter, grey, blur and solarisation, in this order, each with its chance.

    The jitter takes its four steps in random order, and clips to [0, 1] after each, as torchvision and SimCLR do.
    Brightness is a factor here, contrast is about each channel's mean over the clip and hue a rotation in YIQ, as in
    `augmentation.apply_color_jitter`.

    Attributes:
      brightness, contrast, saturation: factors from 1 - x to 1 + x.
      hue: largest rotation, in turns.
      jitter: chance that any of these four is changed.
      grey: chance of a grey picture, RGB all equal to the luma.
      blur: chance of a Gaussian blur, whose kernel reaches over a tenth of the height, with the picture mirrored beyond
        its edges (SimCLR's zeros darken them).
      sigma: least and largest width of the blur, pixels.
      solarize: of each view, the chance that what is brighter than 0.5 becomes 1 - x.
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float
    solarize: tuple[float, ...]
    jitter: float = 0.8
    grey: float = 0.2
    blur: float = 0.5
    sigma: tuple[float, float] = (0.1, 2.0)

    def apply(self, clips: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Changes the views of clips.

        Args:
          clips: float32 [B, V, T, H, W, 3], RGB in [0, 1].
          draws: float32 [B, V, NUM_DRAWS] in [0, 1).
        """
        shape = tf.shape(clips)
        views = tf.reshape(clips, tf.concat([[-1], shape[2:]], axis=0))
        solarize = tf.tile(tf.constant(self.solarize, tf.float32), shape[:1])
        draws = tf.reshape(draws, [-1, NUM_DRAWS])
        factors, order, (jitter, grey, blur, width, solarized) = (
            draws[:, :4],
            tf.argsort(draws[:, 4:8]),
            tf.unstack(draws[:, 8:], axis=1),
        )
        views = _where(jitter < self.jitter, self._jittered(views, factors, order), views)
        luma = tf.tensordot(views, tf.constant(LUMA, tf.float32), 1)[..., tf.newaxis]
        views = _where(grey < self.grey, luma * tf.ones([3]), views)
        low, high = self.sigma
        views = _where(blur < self.blur, blurred(views, low + width * (high - low)), views)
        views = _where(solarized < solarize, tf.where(views < 0.5, views, 1.0 - views), views)
        return tf.reshape(views, shape)

    def _jittered(self, views: tf.Tensor, uniforms: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        """[n, T, H, W, 3] after all four steps, each in its own place, `order` int32 [n, 4]."""
        widths = tf.constant([self.brightness, self.contrast, self.saturation, self.hue])
        neutral = tf.constant([1.0, 1.0, 1.0, 0.0])
        # A factor below 0 would invert the colours; torchvision and SimCLR take 0 for it.
        lowest = tf.constant([0.0, 0.0, 0.0, -math.inf])
        factors = tf.maximum(neutral + (2.0 * uniforms - 1.0) * widths, lowest)
        shape = tf.shape(views)
        pixels = tf.reshape(views, [shape[0], -1, 3])
        for place in range(4):
            is_now = order[:, place, tf.newaxis] == tf.range(4)
            brightness, contrast, saturation, hue = tf.unstack(tf.where(is_now, factors, neutral), axis=1)
            brightness, contrast = brightness[:, tf.newaxis, tf.newaxis], contrast[:, tf.newaxis, tf.newaxis]
            matrix = saturation_and_hue(saturation, hue)
            offset = tf.matmul((1.0 - contrast) * tf.reduce_mean(pixels, axis=1, keepdims=True), matrix)
            pixels = tf.clip_by_value(tf.matmul(pixels, brightness * contrast * matrix) + offset, 0.0, 1.0)
        return tf.reshape(pixels, shape)


def blurred(views: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Every frame of float32 [n, T, H, W, C] convolved with a Gaussian of its view's sigma, [n].

    Rows and columns are each multiplied with a banded matrix, which has the mirrored edges in it.
    """
    height, width = views.shape[2:4]
    radius = max(1, height // 10 // 2)
    offsets = np.arange(-radius, radius + 1)
    weights = tf.nn.softmax(-0.5 * (tf.constant(offsets, tf.float32) / sigma[:, tf.newaxis]) ** 2)

    def matrices(size: int) -> tf.Tensor:
        """[n, size, size]: what each of the row's pixels takes of every one."""
        sources = np.abs(np.arange(size)[:, np.newaxis] + offsets)
        sources = np.minimum(sources, 2 * (size - 1) - sources)
        return tf.einsum("nk,ikj->nij", weights, tf.one_hot(sources, size))

    rows = tf.einsum("nij,ntjwc->ntiwc", matrices(height), views)
    return tf.einsum("nij,nthjc->nthic", matrices(width), rows)


def _where(condition: tf.Tensor, changed: tf.Tensor, views: tf.Tensor) -> tf.Tensor:
    """Some of the views changed; condition [n]."""
    return tf.where(condition[:, tf.newaxis, tf.newaxis, tf.newaxis, tf.newaxis], changed, views)
