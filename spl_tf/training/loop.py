"""The training loop: n steps on the device, then whatever is due, until the last step."""

import contextlib
import dataclasses
import math
import signal
import time
from collections.abc import Callable, Collection, Iterator

import numpy as np
import tensorflow as tf

from spl_tf.errors import Terminated, UserError
from spl_tf.training.board import Board
from spl_tf.training.checkpoints import Checkpoints
from spl_tf.training.profiling import Profile
from spl_tf.training.progress import Progress
from spl_tf.training.state import TrainingState

# TensorBoard shows no more of a tag unless told otherwise, and twice as many slow down the smallest runs by 5 %.
_MOST_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class LoopPlan:
    """When what happens, in steps. Nothing here changes the weights a run ends with.

    Attributes:
      total_steps: steps of the whole run.
      steps_per_loop: most steps between two looks at the clock and at SIGTERM.
      evaluate_every: steps between evaluations; 0 for none.
      checkpoint_seconds: time between checkpoints.
      show_at: steps after which clips and temperatures are shown, as from `steps_shown`.
    """

    total_steps: int
    steps_per_loop: int
    evaluate_every: int
    checkpoint_seconds: float
    show_at: Collection[int]

    def next_loop(self, step: int, loops_done: int) -> int:
        """How many steps to run from `step`: a loop never crosses an evaluation, or a step that is shown.

        The first two loops of a session are one step each: one builds the graph, one is timed.
        """
        steps = 1 if loops_done < 2 else min(self.steps_per_loop, self.total_steps - step)
        if self.evaluate_every:
            steps = min(steps, self.evaluate_every - step % self.evaluate_every)
        return min([steps, *(shown - step for shown in self.show_at if shown > step)])

    def evaluation_due(self, step: int) -> bool:
        return bool(self.evaluate_every) and (step % self.evaluate_every == 0 or step == self.total_steps)


def steps_shown(epochs: float, steps_per_epoch: float) -> frozenset[int]:
    """The first step and the last one of every epoch; in more than ten epochs, of every second one, or third, ..."""
    stride = math.ceil(epochs / _MOST_SHOWN)
    ends = range(stride, math.floor(epochs) + 1, stride)
    return frozenset({1} | {max(1, round(epoch * steps_per_epoch)) for epoch in ends})


def run_loop(
    state: TrainingState,
    plan: LoopPlan,
    train_steps: Callable,
    iterator: Iterator,
    *,
    checkpoints: Checkpoints,
    progress: Progress,
    board: Board,
    evaluate: Callable[[int], tuple[dict[str, float], np.ndarray]],
    profile: Profile,
) -> None:
    """Trains from `state.step` to the last step.

    Args:
      state: restored or fresh; ends at `plan.total_steps`.
      plan: when what happens.
      train_steps: as from `make_train_steps`.
      iterator: batches, its first one belonging to `state.step`.
      checkpoints: where the state is saved.
      progress: where numbers are shown.
      board: where clips are shown.
      evaluate: step -> metrics and confusion matrix of the validation split.
      profile: of some steps.

    Raises:
      Terminated: SIGTERM came; the state is saved.
      UserError: the loss stopped being finite; the last good checkpoint is named.
    """
    loops_done = 0
    saved_at = looped_at = time.monotonic()
    with _sigterm_noted() as sigterm:
        while (step := int(state.step.numpy())) < plan.total_steps:
            num_steps = plan.next_loop(step, loops_done)
            profile.reached(step)
            num_steps = profile.limit(step, num_steps)
            trained = train_steps(iterator, tf.constant(num_steps))
            sums = {name: float(value) for name, value in trained.sums.items()}
            step, loops_done = step + num_steps, loops_done + 1
            _require_finite(state, sums, num_steps, step, checkpoints)
            of_state = {
                "learning_rate": float(state.optimizer.learning_rate),
                "weight_norm": float(trained.weight_norm),
            }
            means = progress.trained(step, num_steps, sums, of_state)
            if step in plan.show_at:
                temperatures = state.data_parameters.temperatures() if state.data_parameters else {}
                of_kind = {kind: values.numpy() for kind, values in temperatures.items()}
                board.show_inputs(step, trained.clips.numpy(), trained.labels.numpy(), of_kind)
            state.loss.assign(means["loss"])
            state.accuracy.assign(means["accuracy"])
            if plan.evaluation_due(step):
                progress.evaluated(step, *evaluate(step))
            now = time.monotonic()
            state.seconds.assign_add(now - looped_at)
            looped_at = now
            if now - saved_at >= plan.checkpoint_seconds or sigterm.received or step == plan.total_steps:
                checkpoints.save()
                saved_at = time.monotonic()
            if sigterm.received:
                raise Terminated(f"stopped at step {step}, saved as {checkpoints.latest}; the same command goes on")


def _require_finite(
    state: TrainingState, sums: dict[str, float], num_steps: int, step: int, checkpoints: Checkpoints
) -> None:
    """Stops a run whose loss or gradient broke; under loss scaling an overflow is skipped and no fault."""
    gradients_broke = sums["finite_steps"] < num_steps - 0.5 and state.loss_scale is None
    if gradients_broke or not abs(sums["loss"]) < float("inf"):
        raise UserError(
            f"the loss or its gradient is not finite at step {step}; last good checkpoint: {checkpoints.latest}. "
            "Lower the learning rate, lengthen the warm-up or set train_stage.clip_norm"
        )


@dataclasses.dataclass
class _Sigterm:
    received: bool = False


@contextlib.contextmanager
def _sigterm_noted() -> Iterator[_Sigterm]:
    """Notes SIGTERM instead of dying of it, so that the loop can save first."""
    sigterm = _Sigterm()

    def note(signal_number, frame):
        sigterm.received = True

    previous = signal.signal(signal.SIGTERM, note)
    try:
        yield sigterm
    finally:
        signal.signal(signal.SIGTERM, previous)
