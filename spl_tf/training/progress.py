"""What a person sees of a run in the terminal: the progress line; its numbers go to TensorBoard too."""

import time
from collections.abc import Mapping

import numpy as np
import tqdm

from spl_tf.training.board import Board


class Progress:
    """A progress bar with ETA, and the same numbers in TensorBoard, after every few steps."""

    def __init__(self, board: Board, name: str, headline: str, first_step: int, total_steps: int, batch_size: int):
        """Starts the clock.

        Args:
          board: of the run, open.
          name: the bar's text.
          headline: what is trained; printed with the expected time once a step was timed.
          first_step: steps done by earlier sessions.
          total_steps: steps of the whole run.
          batch_size: clips a step.
        """
        self._batch_size = batch_size
        self._headline = headline
        self._board = board
        self._bar = tqdm.tqdm(
            desc=name, initial=first_step, total=total_steps, unit="step", dynamic_ncols=True, mininterval=1.0
        )
        self._loops = 0
        self._clock = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception) -> None:
        self._print_headline("")
        self._bar.close()

    def trained(
        self, step: int, num_steps: int, sums: Mapping[str, float], state: Mapping[str, float]
    ) -> dict[str, float]:
        """Reports `num_steps` steps that ended at `step`.

        Args:
          step: steps done in all.
          num_steps: steps since the last report.
          sums: over these steps, as from `make_train_steps`.
          state: numbers of the last step, such as the learning rate.

        Returns:
          Mean "loss" and "accuracy" of these steps.
        """
        now = time.monotonic()
        seconds, self._clock = now - self._clock, now
        means = {
            "loss": sums["loss"] / max(sums["weight"], 1e-9),
            "accuracy": sums["correct"] / max(sums["weight"], 1e-9),
        }
        scalars = {f"train/{name}": value for name, value in means.items()} | {
            "train/gradient_norm": sums["gradient_norm"] / num_steps,
            "throughput/clips_per_second": num_steps * self._batch_size / seconds,
            "throughput/share_waiting_for_data": min(sums["data_seconds"] / seconds, 1.0),
        }
        self._board.trained(step, scalars | {f"train/{name}": value for name, value in state.items()})
        self._bar.set_postfix(loss=f"{means['loss']:.3f}", accuracy=f"{means['accuracy']:.1%}", refresh=False)
        self._bar.update(num_steps)
        self._loops += 1
        if self._loops == 2:  # The first loop built the graph, the second one was timed.
            remaining = self._bar.format_interval((self._bar.total - step) * seconds / num_steps)
            self._print_headline(f", about {remaining} to go")
        return means

    def _print_headline(self, time_to_finish: str) -> None:
        """Once: with the expected time as soon as it is known, at the latest when the run ends."""
        if self._headline:
            self._bar.write(self._headline + time_to_finish)
        self._headline = ""

    def evaluated(self, step: int, metrics: Mapping[str, float], confusion: np.ndarray) -> None:
        """Reports metrics and the confusion matrix of the validation split."""
        self._board.evaluated(step, metrics, confusion)
        self._bar.write(f"step {step}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        self._clock = time.monotonic()  # An evaluation is no training time.
