"""Learning rates as functions of the step, given in epochs."""

import gin
import keras

from spl_tf.errors import UserError


@gin.configurable
def warmup_cosine(
    total_steps: int,
    steps_per_epoch: float,
    *,
    peak: float,
    warmup_start: float = 0.0,
    warmup_epochs: float = 0.0,
    final: float = 0.0,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up from `warmup_start` to `peak`, then a cosine down to `final` (SPL section 4.2).

    Args:
      total_steps: steps of the whole stage, warm-up included.
      steps_per_epoch: to turn `warmup_epochs` into steps.
      peak: the learning rate after warm-up; the paper's 0.4 belongs to a large
        global batch, scale it linearly (0.1 for 256 clips is the usual rule).
      warmup_start: the paper's 0.04.
      warmup_epochs: the paper's 10.
      final: the learning rate after the last step.

    Raises:
      UserError: `peak` is not above 0.
    """
    if peak <= 0:
        raise UserError(f"warmup_cosine.peak = {peak}: give a learning rate above 0")
    # At least one step of cosine: a smoke run may be shorter than its warm-up.
    warmup_steps = min(round(warmup_epochs * steps_per_epoch), total_steps - 1)
    if not warmup_steps:
        return keras.optimizers.schedules.CosineDecay(peak, total_steps, alpha=final / peak)
    return keras.optimizers.schedules.CosineDecay(
        warmup_start,
        decay_steps=total_steps - warmup_steps,
        alpha=final / peak,
        warmup_target=peak,
        warmup_steps=warmup_steps,
    )


@gin.configurable
def constant(
    total_steps: int, steps_per_epoch: float, *, value: float
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The same learning rate throughout."""
    return keras.optimizers.schedules.PiecewiseConstantDecay([total_steps], [value, value])
