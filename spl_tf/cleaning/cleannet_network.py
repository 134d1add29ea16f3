"""CleanNet's two encoders (Lee et al., CVPR 2018, section 3): one of a class, one of a clip, into one space."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from spl_tf.models.blocks import coupled_decay

CODE_UNITS = 128


def log_features(features: tf.Tensor) -> tf.Tensor:
    """log(1 + x), the authors' normalisation, for features that a ReLU left not negative; odd for any others."""
    return tf.sign(features) * tf.math.log1p(tf.abs(features))


@keras.saving.register_keras_serializable(package="spl_tf")
class ReferenceAttention(layers.Layer):
    """One vector of a set: its members' mean, weighted by softmax(key . context) with a learned context.

    Inputs: values [K, R, D] and keys [K, R, A]. Output: [K, D].

    Args:
      seed: of the context's first value.
    """

    def __init__(self, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape):
        units = input_shape[1][-1]
        initializer = keras.initializers.GlorotUniform(self.seed)
        self.context = self.add_weight(shape=(units,), initializer=initializer, name="context")

    def call(self, inputs):
        values, keys = inputs
        shares = tf.nn.softmax(tf.reduce_sum(keys * self.context, axis=-1), axis=-1)
        return tf.reduce_sum(values * shares[..., tf.newaxis], axis=1)

    def compute_output_shape(self, input_shape):
        values = input_shape[0]
        return (values[0], values[2])

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


def class_encoder(num_features: int, num_references: int, *, weight_decay: float, seed: int) -> keras.Model:
    """A class by its references.

        references   [K, R, C], by `log_features`
        hidden       dense 512, tanh
        values       dense 256, tanh
        keys         dense 256, tanh, of the values
        attention    [K, 256]
        code         dense 128, tanh   [K, 128]

    The encoders compute in float32 whatever the dtype policy.

    Args:
      num_features: C.
      num_references: R.
      weight_decay: coupled, on kernels only.
      seed: of the first weights; the encoders need seeds of their own.
    """
    dense = _dense(weight_decay, seed)
    references = keras.Input((num_references, num_features), name="references")
    values = dense(256, "values")(dense(512, "hidden")(references))
    attention = ReferenceAttention(seed, dtype="float32", name="attention")
    attended = attention([values, dense(256, "keys")(values)])
    return keras.Model(references, dense(CODE_UNITS, "code")(attended), name="class_encoder")


def query_encoder(num_features: int, *, weight_decay: float, seed: int) -> keras.Model:
    """A clip by its features, and the features again by its code.

        features         [B, C], by `log_features`
        hidden           dense 256, tanh
        code             dense 128, tanh   [B, 128]
        decoder_hidden   dense 256, tanh
        reconstruction   dense C, tanh     [B, C]

    The authors' code ends in tanh, so it cannot reach features above e - 1; kept.

    Args:
      num_features: C.
      weight_decay: coupled, on kernels only.
      seed: of the first weights.

    Returns:
      A model from features to {"code", "reconstruction"}.
    """
    dense = _dense(weight_decay, seed)
    features = keras.Input((num_features,), name="features")
    code = dense(CODE_UNITS, "code")(dense(256, "hidden")(features))
    reconstruction = dense(num_features, "reconstruction")(dense(256, "decoder_hidden")(code))
    return keras.Model(features, {"code": code, "reconstruction": reconstruction}, name="query_encoder")


def _dense(weight_decay: float, seed: int) -> Callable[[int, str], layers.Dense]:
    """Makes dense layers with tanh, each with a seed of its own: equal seeds and shapes are equal kernels."""
    seeds = iter(np.random.default_rng(seed).integers(2**31, size=8).tolist())

    def make(units: int, name: str) -> layers.Dense:
        return layers.Dense(
            units,
            activation="tanh",
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            kernel_regularizer=coupled_decay(weight_decay),
            dtype="float32",
            name=name,
        )

    return make
