"""Grad-CAM over space and time: which places and moments of a feature map speak for a class.

Selvaraju et al. 2017, with time as a third axis, as in the SPL paper's figure 6. For a feature map
A [T', H', W', K] and the logit s of a class:

    w_k = mean over t, h, w of  d s / d A[t, h, w, k]
    M   = ReLU(sum over k of  w_k A_k)  divided by its maximum over the clip     [T', H', W']

and M is interpolated to the clip's T x H x W (`upsample`).
"""

import difflib

import keras
import numpy as np
import tensorflow as tf

from spl_tf.errors import UserError

PREDICTED = -1
"""Stands for the class with the largest logit, whichever it is."""


def with_map(network: keras.Model, layer: str | None = None) -> keras.Model:
    """The network with one of its feature maps as a further output; layers and weights are shared.

    Args:
      network: a classifier of `spl_tf.models`.
      layer: name of a convolution, or of any other layer whose output is a feature map; None: the
        last map, which the head pools.

    Returns:
      A model from clips [B, T, H, W, 3] to {"map": [B, T', H', W', K], "logits": [B, N]}.

    Raises:
      UserError: the network has no feature map of that name.
    """
    if layer is None:
        feature_map = network.get_layer("pooling").input
    else:
        maps = {
            own.name: own.output
            for own in network.layers
            if not isinstance(own, keras.layers.InputLayer) and len(own.output.shape) == 5
        }
        if layer not in maps:
            near = difflib.get_close_matches(layer, maps, n=3, cutoff=0.5) or list(maps)[-3:]
            raise UserError(f"the network has no feature map of a layer {layer!r}: choose one like {', '.join(near)}")
        feature_map = maps[layer]
    return keras.Model(network.input, {"map": feature_map, "logits": network.output["logits"]})


def grad_cam(
    network: keras.Model, clips: tf.Tensor, classes: tf.Tensor, *, per_frame_weights: bool = False
) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps of what speaks for a class of each clip.

    Compile it (`tf.function`) for maps before a max pooling, and run it in float32: TensorFlow's own kernel for
    CPUs, which eager code has, gives the whole gradient to every value within 1e-5 of a window's largest.

    Args:
      network: of `with_map`.
      clips: float32 [B, T, H, W, 3], normalized.
      classes: int32 [B]; PREDICTED for the clip's predicted class.
      per_frame_weights: see `weighted_maps`.

    Returns:
      The maps, float32 [B, T', H', W'] in [0, 1] of the feature map's size, all zero where nothing
      speaks for the class; and the logits, float32 [B, N].
    """
    with tf.GradientTape() as tape:
        tape.watch(clips)  # Else nothing is recorded where all weights before the map are frozen.
        outputs = network(clips, training=False)
        logits = outputs["logits"]
        classes = tf.where(classes < 0, tf.argmax(logits, axis=-1, output_type=classes.dtype), classes)
        # A clip's logit depends on no other clip, so the gradient of the sum is each clip's own.
        score = tf.reduce_sum(tf.gather(logits, classes, batch_dims=1))
    gradients = tape.gradient(score, outputs["map"])
    return weighted_maps(outputs["map"], gradients, per_frame_weights=per_frame_weights), logits


def weighted_maps(feature_maps: tf.Tensor, gradients: tf.Tensor, *, per_frame_weights: bool = False) -> tf.Tensor:
    """ReLU(sum_k w_k A_k) over its maximum.

    Args:
      feature_maps: floating [B, T', H', W', K], A.
      gradients: floating [B, T', H', W', K], of the class's logit by A.
      per_frame_weights: w_k is the mean over height and width only, so each moment of the map has
        weights of its own; by default it is over time too.

    Returns:
      float32 [B, T', H', W'] in [0, 1].
    """
    features, gradients = tf.cast(feature_maps, tf.float32), tf.cast(gradients, tf.float32)
    weights = tf.reduce_mean(gradients, axis=[2, 3] if per_frame_weights else [1, 2, 3], keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))
    return tf.math.divide_no_nan(maps, tf.reduce_max(maps, axis=[1, 2, 3], keepdims=True))


def upsample(maps: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """Trilinear interpolation to the size of the clip.

    Pixels and moments have extent, and their centres are at the halves: position i of n stands at
    (i + 0.5) / n of the clip, in all three axes, and beyond the outermost centres the map is
    constant. A map that keeps the clip's frames is not interpolated in time. The map is taken to cover the clip
    evenly; what a strided convolution sees is centred up to half a cell of the map away from that.

    Args:
      maps: float [B, T', H', W'].
      size: T, H, W.

    Returns:
      float32 [B, T, H, W].
    """
    time, height, width = (_weights(source, length) for source, length in zip(maps.shape[1:], size, strict=True))
    upsampled = np.einsum("bthw,it,jh,kw->bijk", maps, time, height, width, optimize=True)
    return upsampled.astype(np.float32, copy=False)


def _weights(source: int, length: int) -> np.ndarray:
    """float32 [length, source]: row i says how much of each source position is at target position i."""
    places = np.clip((np.arange(length) + 0.5) * source / length - 0.5, 0, source - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(source))).astype(np.float32)
