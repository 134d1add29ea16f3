"""The training loop: n steps on the device, then whatever is due, until the last step."""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from spl_tf.errors import Terminated, UserError
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.training.checkpoints import Checkpoints
from spl_tf.training.hooks import Hook, LoopReport
from spl_tf.training.state import TrainingState
from spl_tf.training.step import Trained


@dataclasses.dataclass(frozen=True)
class LoopPlan:
    """When what happens, in steps. Nothing here changes the weights a run ends with.

    Attributes:
      total_steps: steps of the whole run.
      steps_per_loop: most steps between two looks at the clock and at SIGTERM.
      evaluate_every: steps between evaluations; 0 for none.
      checkpoint_seconds: time between checkpoints.
    """

    total_steps: int
    steps_per_loop: int
    evaluate_every: int
    checkpoint_seconds: float

    def next_loop(self, step: int, loops_done: int) -> int:
        """How many steps to run from `step`: a loop never crosses an evaluation.

        The first two loops of a session are one step each: one builds the graph, one is timed.
        """
        steps = 1 if loops_done < 2 else min(self.steps_per_loop, self.total_steps - step)
        return min(steps, self.evaluate_every - step % self.evaluate_every) if self.evaluate_every else steps

    def evaluation_due(self, step: int) -> bool:
        return bool(self.evaluate_every) and (step % self.evaluate_every == 0 or step == self.total_steps)


def run_loop(
    state: TrainingState,
    plan: LoopPlan,
    train_steps: Callable,
    iterator: Iterator,
    *,
    checkpoints: Checkpoints,
    evaluate: Callable[[int], Evaluation],
    hooks: Sequence[Hook] = (),
) -> None:
    """Trains from `state.step` to the last step.

    Args:
      state: restored or fresh; ends at `plan.total_steps`.
      plan: when what happens.
      train_steps: as from `make_train_steps`.
      iterator: batches, its first one belonging to `state.step`.
      checkpoints: where the state is saved.
      evaluate: step -> measures of the validation split.
      hooks: are told.

    Raises:
      Terminated: SIGTERM came; the state is saved.
      UserError: the loss stopped being finite; the last good checkpoint is named.
    """
    loops_done = 0
    saved_at = looped_at = clock = time.monotonic()
    with _sigterm_noted() as sigterm:
        while (step := int(state.step.numpy())) < plan.total_steps:
            num_steps = plan.next_loop(step, loops_done)
            for hook in hooks:
                hook.before(step)
                num_steps = hook.limit(step, num_steps)
            trained = train_steps(iterator, tf.constant(num_steps))
            sums = {name: float(value) for name, value in trained.sums.items()}
            step, loops_done = step + num_steps, loops_done + 1
            _require_finite(sums, num_steps, step, checkpoints)
            means = {name: sums[name] / max(sums["weight"], 1e-9) for name in state.means}
            seconds, clock = time.monotonic() - clock, time.monotonic()
            if hooks:
                report = _report(state, trained, sums, means, num_steps, seconds)
                for hook in hooks:
                    hook.after(report)
            for name, mean in means.items():
                state.means[name].assign(mean)
            if plan.evaluation_due(step):
                evaluation = evaluate(step)
                for hook in hooks:
                    hook.evaluated(step, evaluation)
                clock = time.monotonic()  # An evaluation is no training time.
            now = time.monotonic()
            state.seconds.assign_add(now - looped_at)
            looped_at = now
            if now - saved_at >= plan.checkpoint_seconds or sigterm.received or step == plan.total_steps:
                checkpoints.save()
                saved_at = time.monotonic()
            if sigterm.received:
                raise Terminated(f"stopped at step {step}, saved as {checkpoints.latest}; the same command goes on")


def _report(
    state: TrainingState,
    trained: Trained,
    sums: dict[str, float],
    means: dict[str, float],
    num_steps: int,
    seconds: float,
) -> LoopReport:
    state_numbers = {
        "gradient_norm": sums["gradient_norm"] / num_steps,
        "learning_rate": float(state.optimizer.learning_rate),
        "weight_norm": float(trained.weight_norm),
    }
    return LoopReport(
        step=int(state.step.numpy()),
        num_steps=num_steps,
        seconds=seconds,
        means=means,
        state=state_numbers,
        data_seconds=sums["data_seconds"],
        clips=trained.clips.numpy(),
        targets={name: values.numpy() for name, values in trained.shown.items() if name not in ("clips", "color")},
    )


def _require_finite(sums: dict[str, float], num_steps: int, step: int, checkpoints: Checkpoints) -> None:
    """Stops a run whose loss or gradient broke."""
    if sums["finite_steps"] < num_steps - 0.5 or not abs(sums["loss"]) < float("inf"):
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
