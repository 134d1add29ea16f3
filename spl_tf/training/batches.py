"""The training batches of a stage, and what the device makes of them."""

from collections.abc import Iterator

import tensorflow as tf

from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.input.preprocessing import prepare_training
from spl_tf.inference.trained_model import ClipInput
from spl_tf.training.identity import StageInputs
from spl_tf.training.step import Batch


def prepare(batch: Batch) -> tf.Tensor:
    """The network's input, made on the device."""
    return prepare_training(batch["clips"], batch["color"])


def batches_from(
    first_step: int,
    strategy: tf.distribute.Strategy,
    inputs: StageInputs,
    clip_input: ClipInput,
    batch_size: int,
    seed: int,
) -> Iterator:
    """The endless batches from `first_step` on, each dealt out to all replicas of all hosts."""

    def of_host(context: tf.distribute.InputContext) -> tf.data.Dataset:
        batches = training_clips(
            inputs.train,
            inputs.labels_dir,
            batch_size=batch_size,
            seed=seed,
            start_step=first_step,
            num_frames=clip_input.num_frames,
            frame_stride=clip_input.frame_stride,
            crop_size=clip_input.crop_size,
            host=context.input_pipeline_id,
            num_hosts=context.num_input_pipelines,
        )
        if context.num_replicas_in_sync == context.num_input_pipelines:
            return batches
        return batches.rebatch(context.get_per_replica_batch_size(batch_size), drop_remainder=True)

    return iter(strategy.distribute_datasets_from_function(of_host))
