"""What a person sees of a run in the terminal: the progress line."""

import tqdm

from spl_tf.metrics.evaluation import Evaluation
from spl_tf.training.hooks import Hook, LoopReport


class ProgressLine(Hook):
    """A progress bar with the time to go, after every few steps."""

    def __init__(self, name: str, headline: str, first_step: int, total_steps: int):
        """Shows the bar.

        Args:
          name: the bar's text.
          headline: what is trained; printed with the expected time once a step was timed.
          first_step: steps done by earlier sessions.
          total_steps: steps of the whole run.
        """
        self._headline = headline
        self._bar = tqdm.tqdm(
            desc=name, initial=first_step, total=total_steps, unit="step", dynamic_ncols=True, mininterval=1.0
        )
        self._loops = 0

    def __exit__(self, *exception) -> None:
        self._print_headline("")
        self._bar.close()

    def after(self, report: LoopReport) -> None:
        shown = {name: f"{mean:.3f}" if name == "loss" else f"{mean:.1%}" for name, mean in report.means.items()}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(report.num_steps)
        self._loops += 1
        if self._loops == 2:  # The first loop built the graph, the second one was timed.
            seconds_a_step = report.seconds / report.num_steps
            remaining = self._bar.format_interval((self._bar.total - report.step) * seconds_a_step)
            self._print_headline(f", about {remaining} to go")

    def evaluated(self, step: int, evaluation: Evaluation) -> None:
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in evaluation.metrics.items())
        self._bar.write(f"step {step}: {metrics}")

    def _print_headline(self, time_to_finish: str) -> None:
        """Once: with the expected time as soon as it is known, at the latest when the run ends."""
        if self._headline:
            self._bar.write(self._headline + time_to_finish)
        self._headline = ""
