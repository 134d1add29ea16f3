"""Options of a stage of which can be told, before there is any data, whether they are right."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.labels.targets import NONE
from spl_tf.training.objectives.objective import Objective
from spl_tf.training.profiling import require_two_steps


def require_options(
    strategy: tf.distribute.Strategy,
    *,
    batch_size: int,
    accumulation: int,
    select: str,
    stop_after_evaluations: int | None,
    is_validated: bool,
    profile_steps: Sequence[int] | None,
    freeze_backbone: bool,
    precise_bn_batches: int,
    epochs: float,
    num_frames: int,
    frame_stride: int,
    crop_size: int,
    evaluate_epochs: float,
    evaluation_views: int,
    steps_per_loop: int,
) -> None:
    """Refuses options of `train_stage`, before anything is written.

    Args:
      strategy: whose replicas share a batch; other options are as of `train_stage`.
      is_validated: whether there are validation shards.

    Raises:
      UserError: one of them is out of its range, or they don't fit each other.
    """
    positive = {
        "batch_size": batch_size,
        "accumulation": accumulation,
        "epochs": epochs,
        "num_frames": num_frames,
        "frame_stride": frame_stride,
        "crop_size": crop_size,
        "evaluate_epochs": evaluate_epochs,
        "evaluation_views": evaluation_views,
        "steps_per_loop": steps_per_loop,
    }
    if stop_after_evaluations is not None:
        positive["stop_after_evaluations"] = stop_after_evaluations
    for name, value in positive.items():
        if not isinstance(value, int | float) or value <= 0:
            raise UserError(f"train_stage.{name} = {value!r}: give a number above 0")
    require_two_steps(profile_steps)
    if select not in ("last", "best"):
        raise UserError(f"train_stage.select {select!r} is neither 'last' nor 'best'")
    if select == "best" and not is_validated:
        raise UserError("train_stage.select = 'best' needs train_stage.validation_shards")
    if stop_after_evaluations is not None and not is_validated:
        raise UserError("train_stage.stop_after_evaluations needs train_stage.validation_shards")
    if freeze_backbone and precise_bn_batches:
        raise UserError(
            "train_stage.precise_bn_batches estimates the statistics that train_stage.freeze_backbone keeps: "
            "leave one of them out"
        )
    if batch_size % (strategy.num_replicas_in_sync * accumulation):
        raise UserError(
            f"train_stage.batch_size = {batch_size} does not divide by {strategy.num_replicas_in_sync} replicas "
            f"x {accumulation} micro-batches"
        )


def require_fitting_objective(
    learned: Objective, *, accumulation: int, num_frames: int, given: Mapping[str, object]
) -> None:
    """Refuses options of `train_stage` that the objective has no use for.

    Args:
      learned: the objective.
      accumulation: micro-batches a step.
      num_frames: of a clip.
      given: what belongs to labels, by name; None where it is not given.

    Raises:
      UserError: one of them is given.
    """
    if learned.compares_clips and accumulation > 1:
        raise UserError(
            f"train_stage.accumulation = {accumulation}: the objective compares the clips of a batch, of which "
            "micro-batches see a part: leave it at 1, with a smaller batch_size or on more devices"
        )
    if num_frames % learned.frame_parts:
        raise UserError(
            f"train_stage.num_frames = {num_frames}: the objective cuts the frames of a clip into "
            f"{learned.frame_parts} equal parts, give e.g. {4 * learned.frame_parts}"
        )
    if learned.target == NONE:
        for name, value in given.items():
            if value is not None:
                raise UserError(f"train_stage.{name}: the objective learns without labels: leave the binding out")
