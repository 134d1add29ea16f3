"""The training batches of a stage, dealt out to hosts and replicas."""

import dataclasses
from collections.abc import Iterator

import gin
import tensorflow as tf

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.looping import tell_of_looping
from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.input.targets import TrainingTargets
from spl_tf.data.input.views import ViewShape
from spl_tf.training.objectives.objective import Objective


def batches_from(
    first_step: int,
    strategy: tf.distribute.Strategy,
    dataset: ClipDataset,
    targets: TrainingTargets,
    view: ViewShape,
    learned: Objective,
    *,
    batch_size: int,
    seed: int,
) -> Iterator:
    """The endless batches from `first_step` on, each dealt out to all replicas of all hosts."""

    def host_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        batches = training_clips(
            dataset,
            targets,
            batch_size=batch_size,
            seed=seed,
            start_step=first_step,
            num_frames=view.num_frames,
            frame_stride=view.frame_stride,
            crop_size=view.crop_size,
            views=learned.views,
            photometric=learned.photometric,
            host=context.input_pipeline_id,
            num_hosts=context.num_input_pipelines,
        )
        if context.num_replicas_in_sync == context.num_input_pipelines:
            return batches
        return batches.rebatch(context.get_per_replica_batch_size(batch_size), drop_remainder=True)

    return iter(strategy.distribute_datasets_from_function(host_batches))


def tell_of_looped_clips(dataset: ClipDataset, view: ViewShape, learned: Objective) -> None:
    """Warns of clips shorter than what the objective's views reach over, at the smallest stride that is bound."""
    skips = gin.get_bindings(training_clips).get("skips") or [view.frame_stride]
    tell_of_looping(dataset, dataclasses.replace(view, frame_stride=min(skips)), learned.views.spread)
