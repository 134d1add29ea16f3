"""Heads of self-supervised learning: from feature maps of several views of a clip to what is compared or predicted.

The views of a clip follow each other in the batch, [B * V, T, H, W, 3], so that one call of the backbone sees them all.
"""

import keras
from keras import layers

from spl_tf.models.blocks import coupled_decay
from spl_tf.models.dropout import ReplicaDropout
from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.models.style import style_of_network

EMBEDDING_UNITS = 128
_PCL_UNITS = 512
_CVRL_UNITS = 2048


def pooled(backbone: keras.Model) -> keras.KerasTensor:
    """Mean over time and space, float32 [B, C]."""
    return layers.GlobalAveragePooling3D(dtype="float32", name="pooling")(backbone.output)


def feature_network(backbone: keras.Model) -> keras.Model:
    """Clips [B, T, H, W, 3] -> {"features": float32 [B, C]}: what is kept for inference; shares the weights."""
    return keras.Model(backbone.input, {"features": pooled(backbone)}, name="features")


def joined_classifier(features: keras.KerasTensor, num_labels: int) -> keras.KerasTensor:
    """A dense layer on the features of all three clips of a tuple: [B * 3, C] -> [B, num_labels]."""
    return _dense(num_labels, "pretext")(keras.ops.reshape(features, (-1, 3 * features.shape[-1])))


def middle_classifier(features: keras.KerasTensor, num_labels: int) -> keras.KerasTensor:
    """A dense layer on the features of the middle clip: [B * 3, C] -> [B, num_labels]."""
    return _dense(num_labels, "pretext")(_tuples(features)[:, 1])


def order_classifier(features: keras.KerasTensor, num_labels: int, seed: int) -> keras.KerasTensor:
    """The head of VCOP (Xu et al., CVPR 2019): [B * 3, C] -> [B, num_labels].

    pairs      features of 1-2, 1-3 and 2-3          [B, 3, 2 C]
    pairwise   dense, the same for each, and ReLU    [B, 3, 512]
    dropout    0.5 of all of them
    pretext    dense                                 [B, num_labels]
    """
    clips = _tuples(features)
    sides = (keras.ops.take(clips, places, axis=1) for places in ([0, 0, 1], [1, 2, 2]))
    pairs = _dense(_PCL_UNITS, "pairwise")(keras.ops.concatenate(list(sides), axis=-1))
    pairs = keras.ops.reshape(layers.ReLU(dtype="float32", name="pairwise_relu")(pairs), (-1, 3 * _PCL_UNITS))
    return _dense(num_labels, "pretext")(ReplicaDropout(0.5, seed, dtype="float32", name="dropout")(pairs))


def pcl_projection(features: keras.KerasTensor) -> keras.KerasTensor:
    """Dense 512, ReLU, dense 128, of unit length: [B, C] -> float32 [B, 128]."""
    x = layers.ReLU(dtype="float32", name="projection_relu")(_dense(_PCL_UNITS, "projection")(features))
    return _unit_length(_dense(EMBEDDING_UNITS, "embedding")(x))


def cvrl_projection(features: keras.KerasTensor) -> keras.KerasTensor:
    """Three times dense 2048, batch normalization and ReLU, dense 128, of unit length: [B, C] -> float32 [B, 128].

    The normalization's momentum and epsilon are CVRL's own, 0.997 and 1e-5; `network_style.synchronized_bn` holds for
    it as for the backbone.
    """
    x = features
    for number in range(1, 4):
        name = f"projection{number}"
        x = _dense(_CVRL_UNITS, name, use_bias=False)(x)
        x = layers.Reshape((1, 1, 1, _CVRL_UNITS), dtype="float32", name=f"{name}_clip")(x)
        synchronized = style_of_network(None).synchronized_bn
        x = FusedBatchNorm(0.997, 1e-5, synchronized=synchronized, dtype="float32", name=f"{name}_norm")(x)
        x = layers.Reshape((_CVRL_UNITS,), dtype="float32", name=f"{name}_flat")(x)
        x = layers.ReLU(dtype="float32", name=f"{name}_relu")(x)
    return _unit_length(_dense(EMBEDDING_UNITS, "embedding")(x))


def _tuples(features: keras.KerasTensor) -> keras.KerasTensor:
    """[B * 3, C] -> [B, 3, C]."""
    return keras.ops.reshape(features, (-1, 3, features.shape[-1]))


def _dense(units: int, name: str, *, use_bias: bool = True) -> layers.Dense:
    decay = coupled_decay(style_of_network(None).weight_decay)
    return layers.Dense(units, use_bias=use_bias, kernel_regularizer=decay, dtype="float32", name=name)


def _unit_length(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.UnitNormalization(dtype="float32", name="unit_length")(x)
