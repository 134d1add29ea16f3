"""The results of a recipe: one CSV row per run, one line of the table per arm."""

import csv
import dataclasses
import io
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from spl_tf import files
from spl_tf.experiment.sets import WebSet
from spl_tf.text_tables import markdown_table

# Numbers of a test that the tables know, with their titles there.
METRICS = {"top_1": "top-1 (%)", "top_5": "top-5 (%)", "mean_average_precision": "mAP (%)"}


@dataclasses.dataclass(frozen=True)
class Result:
    """One arm with one seed.

    Attributes:
      arm: its name; that of the labels where a recipe has a list of strategies.
      seed: of teacher, pre-training and fine-tuning.
      round: 1 with the teacher's predictions, 2 with those of the first round's student, ...
      classes: of the pre-training label space, 0 without pre-training.
      clips: web clips pre-trained on.
      noise_ratio: off-diagonal share of the web clips, None where labels are not made from predictions ("own", "none").
      samples_cover_ratio: share of the web clips in kept cells, None likewise.
      metrics: name -> share; of the fine-tuned network on the test set.
      main_metric: the one of them that the test is about.
      seconds: self-supervised learning, pre-training and fine-tuning.
      web: what the labels were made from; None where they were not made from predictions.
    """

    arm: str
    seed: int
    round: int
    classes: int
    clips: int
    noise_ratio: float | None
    samples_cover_ratio: float | None
    metrics: Mapping[str, float]
    main_metric: str
    seconds: float
    web: WebSet | None = None

    @property
    def name(self) -> str:
        """The arm, with its round from the second on."""
        return self.arm if self.round == 1 else f"{self.arm}, round {self.round}"

    @property
    def folder_name(self) -> str:
        """Below the seed's folder."""
        return folder_name(self.arm, self.round)

    @property
    def main(self) -> float:
        """The number that the test is about."""
        return self.metrics[self.main_metric]

    def columns(self) -> dict[str, str | float | None]:
        """A row of `results.csv`: every metric is a column, None where it was not measured."""
        tested = {name: self.metrics.get(name) for name in [*METRICS, *self.metrics]}
        before = ("seed", "round", "classes", "clips", "noise_ratio", "samples_cover_ratio")
        row = {"strategy": self.arm} | {name: getattr(self, name) for name in before}
        return row | tested | {"seconds": self.seconds}


def folder_name(arm: str, round_number: int) -> str:
    """Of an arm's stages, below the seed's folder."""
    return arm if round_number == 1 else f"{arm}_round{round_number}"


def write_results(path: pathlib.Path, results: Sequence[Result], *, complete: bool) -> None:
    """Writes one row per run.

    Args:
      path: of the CSV file.
      results: so far.
      complete: whether these are all; before, a file that begins with them is left alone,
        since a run that was killed has yet to come to where it was.
    """
    text = io.StringIO(newline="")
    result_rows = [result.columns() for result in results]
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in result_rows for name in row)))
    writer.writeheader()
    writer.writerows(result_rows)
    rows = text.getvalue().encode()
    if complete or not path.exists() or not path.read_bytes().startswith(rows):
        with files.atomic_path(path) as temporary:
            temporary.write_bytes(rows)


def shown_metrics(results: Sequence[Result]) -> list[str]:
    """What some result is about; top-1 too, where it was measured."""
    shown = {result.main_metric for result in results} | {"top_1"}
    measured = {name for result in results for name in result.metrics}
    return [name for name in [*METRICS, *sorted(measured - METRICS.keys())] if name in shown & measured]


def format_table(results: Sequence[Result]) -> str:
    """The table over seeds, in Markdown: arms and rounds in the order they were run."""
    metrics = shown_metrics(results)
    header = ["strategy", "classes", "clips used", "SCR", *(METRICS.get(name, name) for name in metrics), "minutes"]
    names = dict.fromkeys(result.name for result in results)
    rows = [_row(name, [result for result in results if result.name == name], metrics) for name in names]
    return markdown_table(header, rows)


def _row(name: str, runs: Sequence[Result], metrics: Sequence[str]) -> list[str]:
    """Means over the seeds."""
    ratios = [run.samples_cover_ratio for run in runs if run.samples_cover_ratio is not None]
    return [
        name,
        f"{statistics.mean(run.classes for run in runs):g}" if runs[0].classes else "-",
        f"{statistics.mean(run.clips for run in runs):,.0f}" if runs[0].clips else "-",
        f"{100 * statistics.mean(ratios):.1f} %" if ratios else "-",
        *(mean_of_percent([run.metrics[metric] for run in runs if metric in run.metrics]) for metric in metrics),
        f"{statistics.mean(run.seconds for run in runs) / 60:.1f}",
    ]


def mean_of_percent(shares: Sequence[float]) -> str:
    """ "71.0 ± 1.7", the deviation the sample's; without it for a single value."""
    if not shares:
        return "-"
    percent = [100 * share for share in shares]
    deviation = f" ± {statistics.stdev(percent):.1f}" if len(percent) > 1 else ""
    return f"{statistics.mean(percent):.1f}{deviation}"
