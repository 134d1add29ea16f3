"""TensorFlow's profile of a few steps, for TensorBoard's profiler."""

import pathlib
from collections.abc import Sequence

import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.training.hooks import Hook


def require_two_steps(steps: object) -> None:
    """Refuses what is no profile's first and last step; None is no profile.

    Raises:
      UserError: these are not two whole numbers, the second one larger.
    """
    if steps is None:
        return
    if not (
        isinstance(steps, list | tuple)
        and len(steps) == 2
        and all(type(step) is int for step in steps)
        and 0 <= steps[0] < steps[1]
    ):
        raise UserError(
            f"train_stage.profile_steps = {steps!r}: give two numbers of steps, the second one larger, e.g. (10, 20)"
        )


def tell_if_none_left(steps: Sequence[int] | None, first_step: int, total_steps: int) -> None:
    """Prints a line if a run from `first_step` to `total_steps` reaches none of the steps to profile."""
    if steps is not None and max(steps[0], first_step) >= min(steps[1], total_steps):
        print(
            f"no profile is taken: at step {first_step} of {total_steps}, "
            f"none of {steps[0]} to {steps[1]} is left to train"
        )


class Profile(Hook):
    """Records the steps after the first number up to the second; on a run resumed in between, from there on.

    A context: what is recorded when it ends, in whatever way, is written.
    """

    def __init__(self, log_dir: pathlib.Path, steps: Sequence[int] | None):
        """Records nothing yet.

        Args:
          log_dir: TensorBoard's folder.
          steps: two numbers of steps as `require_two_steps` wants them; None for no profile.
        """
        self._log_dir = log_dir
        self._steps = steps or ()
        self._records = False

    def __exit__(self, *exception) -> None:
        if self._records:
            tf.profiler.experimental.stop()

    def limit(self, step: int, num_steps: int) -> int:
        """How many of the next steps can be run in one go."""
        return min([num_steps, *(border - step for border in self._steps if border > step)])

    def before(self, step: int) -> None:
        """Starts or stops recording, as is due after `step` steps."""
        due = bool(self._steps) and self._steps[0] <= step < self._steps[1]
        if due and not self._records:
            tf.profiler.experimental.start(str(self._log_dir))
        if self._records and not due:
            tf.profiler.experimental.stop()
        self._records = due
