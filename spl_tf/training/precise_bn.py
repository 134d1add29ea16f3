"""Normalization statistics of the finished weights instead of moving averages over changing ones."""

from collections.abc import Callable, Iterator

import keras
import tensorflow as tf
import tqdm

from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.training.objectives.objective import Batch


def estimate_statistics(
    network: keras.Model,
    strategy: tf.distribute.Strategy,
    prepare: Callable[[Batch], tf.Tensor],
    batches: Iterator,
    num_batches: int,
    *,
    is_shown: bool = True,
) -> None:
    """Sets every moving mean and variance to the mean over the next batches ("precise BN", Wang et al. 2018: 200).

    The variance is the mean of the batches' variances, as a moving average would have it.

    Args:
      network: trained; its weights stay as they are.
      strategy: the devices; statistics of replicas are averaged.
      prepare: batch -> network input.
      batches: of training clips, as the step takes them.
      num_batches: at least 1.
      is_shown: whether there is a progress bar.
    """
    layers = [layer for layer in network.layers if isinstance(layer, FusedBatchNorm)]
    statistics = [(layer, value) for layer in layers for value in (layer.moving_mean, layer.moving_variance)]

    @tf.function(autograph=False)
    def forward(batch: Batch) -> None:
        strategy.run(lambda own: network(prepare(own), training=True), args=(batch,))

    sums = [tf.zeros(value.shape) for _, value in statistics]
    shown = {"desc": "precise BN", "unit": "batch", "dynamic_ncols": True, "mininterval": 1.0, "disable": not is_shown}
    for _ in tqdm.trange(num_batches, **shown):
        for _, value in statistics:
            value.assign(tf.zeros(value.shape))
        forward(next(batches))
        # From zero, an update leaves the batch's own value times 1 - momentum.
        sums = [
            total + value.value / (1.0 - layer.momentum) for total, (layer, value) in zip(sums, statistics, strict=True)
        ]
    for total, (_, value) in zip(sums, statistics, strict=True):
        value.assign(total / num_batches)
