"""Which devices a stage runs on, and how a batch is dealt out to them."""

import functools

import gin
import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy as hosts_strategy
from tensorflow.python.eager import context

from spl_tf.errors import UserError
from spl_tf.hardware.cluster import Cluster, cluster_of_process


@gin.configurable(allowlist=["name"])
@functools.cache  # Two MirroredStrategies with different models in one process abort: share one.
def device_strategy(name: str = "auto", *, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """The tf.distribute strategy of this process.

    Args:
      name: "one_device", "mirrored" (all GPUs, or all logical CPUs without one), or
        "auto": mirrored with two or more GPUs, else one device. On several hosts "auto": all GPUs of all of them, or
        one CPU of each.
      cluster: the hosts that train together, which have met; None is this one alone.

    Raises:
      UserError: another name, or the environment names several hosts and they don't train together.
    """
    if cluster is not None:
        if name != "auto":
            raise UserError(
                f"device_strategy.name = {name!r} is of one host, and {cluster.source} names {len(cluster.addresses)}: "
                "leave it at 'auto'"
            )
        return _of_hosts(cluster)
    if (named := cluster_of_process()) is not None and named.source == "TF_CONFIG":
        raise UserError("TF_CONFIG names several hosts, and only spl_tf.train runs on several: unset TF_CONFIG")
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


def _of_hosts(cluster: Cluster) -> tf.distribute.Strategy:
    """Starts TensorFlow's server at this host's port, which `meeting` has just found free.

    Its own service for finding and watching the hosts is left out. At the start it waits for all of them without end,
    and holds Python's lock meanwhile, so that neither a signal nor the end of another host is heard; `hosts` does both.
    """
    context.context().configure_coordination_service(service_type="")
    hosts_strategy.CollectiveAllReduceExtended._enable_check_health = False
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.number,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)


def local_replicas(strategy: tf.distribute.Strategy) -> int:
    """Replicas of this host: each host scores clips by itself, and all train together."""
    return 1 if strategy.num_replicas_in_sync == 1 else len(strategy.extended.worker_devices)


def whole_batch(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """The batch size rounded up to a multiple of this host's replicas."""
    replicas = local_replicas(strategy)
    return -(-batch_size // replicas) * replicas


def split_batch(strategy: tf.distribute.Strategy, values: tf.Tensor) -> tf.Tensor:
    """Deals the rows of a batch [B, ...] out to this host's replicas; B must be a multiple of their number."""
    replicas = local_replicas(strategy)
    if replicas == 1:
        return values
    parts = tf.split(values, replicas)
    return strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group % replicas]
    )


def join_batch(strategy: tf.distribute.Strategy, values: tf.Tensor) -> tf.Tensor:
    """The rows of this host's replicas in their order: undoes `split_batch`."""
    return tf.concat(strategy.experimental_local_results(values), axis=0)
