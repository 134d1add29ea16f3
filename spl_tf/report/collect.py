"""What a finished recipe left in its folder, as the report needs it."""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import msgspec

from spl_tf import checksums
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import MARKER, REMEDY
from spl_tf.experiment.sets import WebSet
from spl_tf.experiment.table import Result
from spl_tf.labels.label_folder import SUMMARY
from spl_tf.stored import Count, Seconds, Share, read_json

AGAIN = "run spl_tf.recipe again"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A finished recipe.

    Attributes:
      folder: its output folder.
      results: its runs, as in `results.csv`.
    """

    folder: pathlib.Path
    results: Sequence[Result]

    @property
    def names(self) -> list[str]:
        """Arms, each round by itself, in the order they were run."""
        return list(dict.fromkeys(result.name for result in self.results))

    @property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(result.seed for result in self.results))

    def runs(self, name: str) -> list[Result]:
        """One run a seed."""
        return [result for result in self.results if result.name == name]

    def runs_of_seed(self, seed: int) -> list[Result]:
        return [result for result in self.results if result.seed == seed]

    def seed_folder(self, seed: int) -> pathlib.Path:
        return self.folder / f"seed{seed}"

    def run_folder(self, run: Result) -> pathlib.Path:
        """Holds `labels`, `pretrain`, `finetune` and `test`."""
        return self.seed_folder(run.seed) / run.folder_name

    def web(self, seed: int) -> WebSet | None:
        """What the first arm of a seed was pre-trained on, and most of the others; None where none was."""
        return next((run.web for run in self.runs_of_seed(seed) if run.web and run.round == 1), None)

    def runs_on_web(self, seed: int) -> list[Result]:
        """The runs of a seed whose labels were made from that."""
        return [run for run in self.runs_of_seed(seed) if run.web and run.web == self.web(seed)]

    def colour(self, name: str) -> int:
        """The number of an arm's colour, the same in every chart."""
        return self.names.index(name)


@dataclasses.dataclass(frozen=True)
class Labels:
    """What labelling made of the web set for one run.

    Attributes:
      name: of the run: arm and round.
      strategy: that made them.
      folder: of the labels.
      counts: clips of each class of the label space.
      clips: all web clips.
      kept: clips that have a label; the merged ones among them.
      merged: clips whose cell lost its class to that of its query (SPL-M).
      discarded: clips that have no label.
      samples_cover_ratio: share of the clips in kept cells.
      min_confidence: teacher confidence below which a clip was discarded.
      by_cell: whether all clips of a cell got the same label.
    """

    name: str
    strategy: str
    folder: pathlib.Path
    counts: tuple[int, ...]
    clips: int
    kept: int
    merged: int
    discarded: int
    samples_cover_ratio: float
    min_confidence: float
    by_cell: bool


class _Counted(msgspec.Struct):
    """What this page shows of labels' `summary.json`, by the names of `Labels`."""

    strategy: str
    counts: tuple[Count, ...]
    clips: Count
    kept: Count
    merged: Count
    discarded: Count
    samples_cover_ratio: Share
    min_confidence: Share
    by_cell: bool = True  # Older labels all were.


class _Timed(msgspec.Struct):
    seconds: Seconds


def read_labels_of(recipe: Recipe, seed: int) -> list[Labels]:
    """The labels of every run of a seed for which some were made.

    Raises:
      UserError: a summary is missing or damaged.
    """
    return [_read_labels(run.name, recipe.run_folder(run) / "labels") for run in recipe.runs_of_seed(seed) if run.web]


def _read_labels(name: str, folder: pathlib.Path) -> Labels:
    content = read_json(folder / SUMMARY, _Counted, AGAIN)
    checksums.require_whole(folder / SUMMARY, AGAIN)
    fields = {name: getattr(content, name) for name in content.__struct_fields__}
    return Labels(name=name, folder=folder, **fields)


def read_right(run_folder: pathlib.Path) -> dict[str, bool]:
    """Test video -> whether its class was predicted.

    Raises:
      UserError: the run's list of test videos is missing or damaged.
    """
    path = run_folder / "test" / "videos.csv"
    try:
        with open(path, newline="", encoding="utf-8") as opened:
            right = {row["video_id"]: row["label"] == row["prediction"] for row in csv.DictReader(opened)}
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {AGAIN}") from error
    except (KeyError, csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}): {AGAIN}") from error
    checksums.require_whole(path, AGAIN)
    return right


def read_seconds(step_folder: pathlib.Path) -> float | None:
    """Seconds a step took over all its sessions; None for a step that was not needed."""
    path = step_folder / MARKER
    if not path.exists():
        return None
    return read_json(path, _Timed, REMEDY).seconds
