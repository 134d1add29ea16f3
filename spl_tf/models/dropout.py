"""Dropout whose masks differ between replicas and continue exactly after a resume."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="spl_tf")
class ReplicaDropout(keras.layers.Layer):
    """Dropout with a mask that is a pure function of (seed, number of the call, replica).

    Keras' own layer draws the same mask on every replica of a tf.distribute
    strategy. Here the replica is part of the seed, and the number of training
    calls so far is a variable that tf.train.Checkpoint saves with the model, so
    that the masks after a resume are those of an undisturbed run. Like the state
    of Keras' own dropout it is none of the weights: it is neither counted with
    them nor transferred, and a network loaded from a `.keras` file starts at 0.

    Args:
      rate: share of the values set to zero; the rest is scaled by 1 / (1 - rate).
      seed: of the masks.
    """

    def __init__(self, rate: float, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed

    def build(self, input_shape):
        self.calls = tf.Variable(
            tf.zeros((), tf.int64),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name="calls",
        )

    def call(self, inputs, training=False):
        if not training:
            return inputs
        call = self.calls.read_value()
        self.calls.assign(call + 1)
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        seed = tf.constant([self.seed, 0], tf.int64)
        for number in (call, replica):
            seed = tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int64))
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed, rng_alg="philox")

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
