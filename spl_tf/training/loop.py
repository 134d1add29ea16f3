"""The training loop: n steps on the device, then whatever is due, until the last step."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.hardware.hosts import ALONE, Hosts
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.training.checkpoints import Checkpoints
from spl_tf.training.hooks import Hook, LoopReport
from spl_tf.training.state import TrainingState, means_of
from spl_tf.training.step import Trained
from spl_tf.training.stopping import stop_noted, stopped_by


@dataclasses.dataclass(frozen=True)
class LoopPlan:
    """When what happens, in steps. Nothing here changes the weights a run ends with.

    Attributes:
      total_steps: steps of the whole run.
      steps_per_loop: most steps between two looks at the clock and at signals.
      evaluate_every: steps between evaluations; 0 for none.
      checkpoint_seconds: time between checkpoints.
      averaged_steps: the means that a run ends with are over so many of its last steps: an epoch's.
      may_stop_early: whether an evaluation may end the run.
    """

    total_steps: int
    steps_per_loop: int
    evaluate_every: int
    checkpoint_seconds: float
    averaged_steps: int
    may_stop_early: bool = False

    def next_loop(self, step: int, loops_done: int) -> int:
        """How many steps to run from `step`: a loop crosses no evaluation and not the beginning of the means.

        The first two loops of a session are one step each: one builds the graph, one is timed.
        """
        steps = 1 if loops_done < 2 else min(self.steps_per_loop, self.total_steps - step)
        if (begin := self.averaged_from(step)) > step:
            steps = min(steps, begin - step)
        return min(steps, self.evaluate_every - step % self.evaluate_every) if self.evaluate_every else steps

    def evaluation_due(self, step: int) -> bool:
        return bool(self.evaluate_every) and (step % self.evaluate_every == 0 or step == self.total_steps)

    def averaged_from(self, step: int) -> int:
        """The step after which the means begin that the run has if it ends where, from `step`, it next may end.

        Where evaluations may end it and are less than an epoch apart, the means are over the steps since the last.
        """
        if not self.may_stop_early:
            return max(0, self.total_steps - self.averaged_steps)
        last_end = step // self.evaluate_every * self.evaluate_every
        next_end = min(last_end + self.evaluate_every, self.total_steps)
        return max(last_end, next_end - self.averaged_steps)


def run_loop(
    state: TrainingState,
    plan: LoopPlan,
    train_steps: Callable,
    iterator: Iterator,
    *,
    checkpoints: Checkpoints,
    evaluate: Callable[[int], Evaluation | None],
    has_ended: Callable[[int], bool],
    hooks: Sequence[Hook] = (),
    hosts: Hosts = ALONE,
) -> None:
    """Trains from `state.step` to the last step, or to the evaluation that ends the run.

    Args:
      state: restored or fresh.
      plan: when what happens.
      train_steps: as from `make_train_steps`.
      iterator: batches, its first one belonging to `state.step`.
      checkpoints: where the state is saved.
      evaluate: step -> measures of the validation split; None where another host has them.
      has_ended: step -> whether the evaluation after it, of this session or of an earlier one, ended the run; the
        first host is asked.
      hooks: are told.
      hosts: that train together: how many steps come next, whether to save and to stop is one decision of all.

    Raises:
      Terminated, KeyboardInterrupt: SIGTERM or Ctrl-C came, to whichever host; the state is saved.
      UserError: the loss stopped being finite; the last good checkpoint is named.
    """

    def is_done(step: int) -> bool:
        return step >= plan.total_steps or (plan.evaluation_due(step) and hosts.first_says(lambda: has_ended(step)))

    loops_done = 0
    saved_at = looped_at = clock = time.monotonic()
    with stop_noted() as stop:
        while not is_done(step := int(state.step.numpy())):
            if step == plan.averaged_from(step):
                state.forget_sums()
            num_steps = plan.next_loop(step, loops_done)
            for hook in hooks:
                hook.before(step)
                num_steps = hook.limit(step, num_steps)
            num_steps = hosts.gather(num_steps)[0]
            trained = train_steps(iterator, tf.constant(num_steps))
            sums = {name: float(value) for name, value in trained.sums.items()}
            step, loops_done = step + num_steps, loops_done + 1
            _require_finite(sums, num_steps, step, lambda: hosts.first_says(lambda: checkpoints.latest))
            means = means_of(sums, state.sums)
            seconds, clock = time.monotonic() - clock, time.monotonic()
            if hooks:
                report = _report(state, trained, sums, means, num_steps, seconds)
                for hook in hooks:
                    hook.after(report)
            for name, total in state.sums.items():
                total.assign_add(sums[name])
            if plan.evaluation_due(step):
                if (evaluation := evaluate(step)) is not None:
                    for hook in hooks:
                        hook.evaluated(step, evaluation)
                clock = time.monotonic()  # An evaluation is no training time.
            now = time.monotonic()
            state.seconds.assign_add(now - looped_at)
            looped_at = now
            is_due = now - saved_at >= plan.checkpoint_seconds
            told = hosts.gather({"stop": stop.received, "save": is_due})
            stop_signal = next(filter(None, (each["stop"] for each in told)), None)
            if told[0]["save"] or stop_signal or is_done(step):
                checkpoints.save()
                saved_at = time.monotonic()
            if stop_signal:
                saved = hosts.first_says(lambda: checkpoints.latest)
                raise stopped_by(stop_signal, f"stopped at step {step}, saved as {saved}; the same command goes on")


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


def _require_finite(sums: dict[str, float], num_steps: int, step: int, latest: Callable[[], str | None]) -> None:
    """Stops a run whose loss or gradient broke; the sums are the same on all hosts."""
    if sums["finite_steps"] < num_steps - 0.5 or not abs(sums["loss"]) < float("inf"):
        raise UserError(
            f"the loss or its gradient is not finite at step {step}; last good checkpoint: {latest()}. "
            "Lower the learning rate, lengthen the warm-up or set train_stage.clip_norm"
        )
