"""Which devices a stage runs on, and how a batch is dealt out to them."""

import functools
import os
from typing import TypedDict

import gin
import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.stored import decode


class _Cluster(TypedDict, total=False):
    worker: list[str]


class _TfConfig(TypedDict, total=False):
    cluster: _Cluster


def _workers() -> list[str]:
    """Of TF_CONFIG."""
    given = os.environ.get("TF_CONFIG") or "{}"
    remedy = "unset it, or give it the form that TensorFlow's documentation says"
    return decode(given, _TfConfig, "TF_CONFIG", remedy).get("cluster", {}).get("worker", [])


@gin.configurable
@functools.cache  # Two MirroredStrategies with different models in one process abort: share one.
def device_strategy(name: str = "auto") -> tf.distribute.Strategy:
    """The tf.distribute strategy of this process.

    Args:
      name: "one_device", "mirrored" (all GPUs, or all logical CPUs without one), or
        "auto": mirrored with two or more GPUs, else one device.

    Raises:
      UserError: another name, or TF_CONFIG names several hosts: loop and input are
        written for them, but checkpoints and evaluation are not yet.
    """
    if len(_workers()) > 1:
        raise UserError("TF_CONFIG names several workers and spl_tf runs on one host so far: unset TF_CONFIG")
    if name == "auto":
        name = "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one_device"
    if name == "one_device":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        devices = gpus or tf.config.list_logical_devices("CPU")
        # NCCL's all-reduce needs GPUs; on CPUs the default one may abort with a second model.
        reduction = None if gpus else tf.distribute.ReductionToOneDevice()
        return tf.distribute.MirroredStrategy([device.name for device in devices], cross_device_ops=reduction)
    raise UserError(f"device_strategy.name {name!r} is none of auto, one_device, mirrored")


def whole_batch(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """The batch size rounded up to a multiple of the replicas."""
    replicas = strategy.num_replicas_in_sync
    return -(-batch_size // replicas) * replicas


def split_batch(strategy: tf.distribute.Strategy, values: tf.Tensor) -> tf.Tensor:
    """Deals the rows of a batch [B, ...] out to the replicas; B must be a multiple of their number."""
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return values
    parts = tf.split(values, replicas)
    return strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group]
    )


def join_batch(strategy: tf.distribute.Strategy, values: tf.Tensor) -> tf.Tensor:
    """The rows of all replicas in their order: undoes `split_batch`."""
    return tf.concat(strategy.experimental_local_results(values), axis=0)
