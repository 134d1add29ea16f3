"""Statistics of the batch over all replicas, for losses in which the clips of a batch depend on each other."""

import tensorflow as tf


def batch_mean(value: tf.Tensor) -> tf.Tensor:
    """The mean over the replicas, [...]; gradient flows back to each."""
    context = tf.distribute.get_replica_context()
    return value if _is_alone(context) else context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def batch_rows(values: tf.Tensor) -> tf.Tensor:
    """The rows [b, ...] of all replicas, [B, ...]."""
    context = tf.distribute.get_replica_context()
    return values if _is_alone(context) else context.all_gather(values, axis=0)


def _is_alone(context: tf.distribute.ReplicaContext | None) -> bool:
    return context is None or context.num_replicas_in_sync == 1
