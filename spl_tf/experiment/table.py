"""The results of a recipe: one CSV row per run, one line of the table per strategy."""

import csv
import dataclasses
import io
import pathlib
import statistics
from collections.abc import Sequence

from spl_tf import files
from spl_tf.text_tables import markdown_table


@dataclasses.dataclass(frozen=True)
class Result:
    """One strategy with one seed.

    Attributes:
      strategy: its name; "none" for no pre-training.
      seed: of teacher, pre-training and fine-tuning.
      round: 1 with the teacher's predictions, 2 with those of the first round's student, ...
      classes: of the pre-training label space, 0 without pre-training.
      clips: web clips pre-trained on.
      noise_ratio: off-diagonal share of the web clips, None without pre-training.
      samples_cover_ratio: share of the web clips in kept cells.
      top_1: of the fine-tuned network on the test set.
      top_5: likewise.
      mean_average_precision: likewise, without the background class; None where the test has none.
      seconds: pre-training and fine-tuning.
    """

    strategy: str
    seed: int
    round: int
    classes: int
    clips: int
    noise_ratio: float | None
    samples_cover_ratio: float | None
    top_1: float
    top_5: float
    mean_average_precision: float | None
    seconds: float

    @property
    def name(self) -> str:
        """The strategy, with its round from the second on."""
        return self.strategy if self.round == 1 else f"{self.strategy}, round {self.round}"


def write_results(path: pathlib.Path, results: Sequence[Result], *, complete: bool) -> None:
    """Writes one row per run.

    Args:
      path: of the CSV file.
      results: so far.
      complete: whether these are all; before, a file that begins with them is left alone,
        since a run that was killed has yet to come to where it was.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(Result)])
    writer.writeheader()
    writer.writerows(dataclasses.asdict(result) for result in results)
    rows = text.getvalue().encode()
    if complete or not path.exists() or not path.read_bytes().startswith(rows):
        with files.atomic_path(path) as temporary:
            temporary.write_bytes(rows)


def format_table(results: Sequence[Result]) -> str:
    """The table over seeds, in Markdown: strategies and rounds in the order they were run."""
    header = ["strategy", "classes", "clips used", "SCR", "top-1 (%)", "mAP (%)", "minutes"]
    rows = [_row(name, [r for r in results if r.name == name]) for name in dict.fromkeys(r.name for r in results)]
    if all(run.mean_average_precision is None for run in results):
        column = header.index("mAP (%)")
        header, *rows = ([*row[:column], *row[column + 1 :]] for row in (header, *rows))
    return markdown_table(header, rows)


def _row(strategy: str, runs: Sequence[Result]) -> list[str]:
    """Means over the seeds."""
    precisions = [run.mean_average_precision for run in runs if run.mean_average_precision is not None]
    ratios = [run.samples_cover_ratio for run in runs if run.samples_cover_ratio is not None]
    return [
        strategy,
        f"{statistics.mean(run.classes for run in runs):g}" if runs[0].classes else "-",
        f"{statistics.mean(run.clips for run in runs):,.0f}" if runs[0].clips else "-",
        f"{100 * statistics.mean(ratios):.1f} %" if ratios else "-",
        _mean_of_percent([run.top_1 for run in runs]),
        _mean_of_percent(precisions),
        f"{statistics.mean(run.seconds for run in runs) / 60:.1f}",
    ]


def _mean_of_percent(shares: Sequence[float]) -> str:
    """The deviation is the sample's."""
    if not shares:
        return "-"
    percent = [100 * share for share in shares]
    deviation = f" ± {statistics.stdev(percent):.1f}" if len(percent) > 1 else ""
    return f"{statistics.mean(percent):.1f}{deviation}"
