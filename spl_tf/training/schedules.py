"""Learning rates as functions of the step, given in epochs."""

import math
from collections.abc import Callable

import gin
import keras

from spl_tf.errors import UserError
from spl_tf.ranges import Positive


@gin.configurable
def warmup_cosine(
    total_steps: int,
    steps_per_epoch: float,
    *,
    peak: Positive,
    warmup_start: float = 0.0,
    warmup_epochs: float = 0.0,
    final: float = 0.0,
    batch_size: int | None = None,
    reference_batch_size: int | None = None,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up from `warmup_start` to `peak`, then a cosine down to `final` (SPL section 4.2).

    With both batch sizes all rates are multiplied by batch_size / reference_batch_size (Goyal et al. 2017).

    Args:
      total_steps: steps of the whole stage, warm-up included.
      steps_per_epoch: to turn `warmup_epochs` into steps.
      peak: the learning rate after warm-up. The paper's is 0.4, with "the batch size of 6",
        which can only be each worker's; the usual 0.1 for 256 clips makes it that of 1024.
      warmup_start: the paper's 0.04.
      warmup_epochs: the paper's 10.
      final: the learning rate after the last step.
      batch_size: clips a step; give it the macro that train_stage.batch_size has.
      reference_batch_size: clips a step for which the rates are given.

    Raises:
      UserError: `peak` is not above 0, or only one of the batch sizes is given.
    """
    if peak <= 0:
        raise UserError(f"warmup_cosine.peak = {peak}: give a learning rate above 0")
    if (batch_size is None) != (reference_batch_size is None):
        raise UserError("warmup_cosine: give batch_size and reference_batch_size, or neither")
    if batch_size is not None and reference_batch_size is not None:
        factor = batch_size / reference_batch_size
        peak, warmup_start, final = peak * factor, warmup_start * factor, final * factor
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


class _FixMatchCosine(keras.optimizers.schedules.LearningRateSchedule):
    """See `fixmatch_cosine`."""

    def __init__(self, peak: float, total_steps: int):
        super().__init__()
        self.peak, self.total_steps = peak, total_steps

    def __call__(self, step):
        done = keras.ops.cast(step, "float32") / self.total_steps
        return self.peak * keras.ops.maximum(0.0, keras.ops.cos(math.pi * 7 / 16 * done))

    def get_config(self) -> dict[str, float]:
        return {"peak": self.peak, "total_steps": self.total_steps}


@gin.configurable
def fixmatch_cosine(
    total_steps: int, steps_per_epoch: float, *, peak: Positive
) -> keras.optimizers.schedules.LearningRateSchedule:
    """peak * max(0, cos(7/16 pi t / T)), which ends at 0.195 of the peak (FixMatch, Sohn et al. 2020, section 2.4).

    The "cosine learning rate scheduler" of NoisyActions2M (section 5) is this one in its code, moved at every step.

    Args:
      total_steps: T, steps of the whole stage.
      steps_per_epoch: not used.
      peak: the learning rate of the first step; 0.03 in NoisyActions2M.
    """
    del steps_per_epoch
    return _FixMatchCosine(peak, total_steps)


def schedule_of(
    learning_rate: Callable[[int, float], keras.optimizers.schedules.LearningRateSchedule] | float,
    total_steps: int,
    steps_per_epoch: float,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The schedule that a function makes for a stage; a number is the same rate throughout."""
    if callable(learning_rate):
        return learning_rate(total_steps, steps_per_epoch)
    return keras.optimizers.schedules.PiecewiseConstantDecay([total_steps], [learning_rate, learning_rate])
