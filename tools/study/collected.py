"""The rows of a results file by arm: what tables and figures are made from."""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.report.intervals import Difference, paired_difference
from tools.study import manifests
from tools.study.arms import MAIN, Arm
from tools.study.results import Row


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """All seeds of one arm.

    Attributes:
      name: as in tables.
      rows: seed -> row.
    """

    name: str
    rows: dict[int, Row]

    def values(self, column: str) -> np.ndarray:
        """A column over the seeds, in their order; nan where there is none."""
        found = [self.rows[seed].get(column) for seed in sorted(self.rows)]
        return np.array([np.nan if value is None else value for value in found], np.float64)

    def only(self, seeds: Sequence[int]) -> "Outcomes":
        """Without other seeds."""
        return Outcomes(self.name, {seed: row for seed, row in self.rows.items() if seed in seeds})

    def tables(self) -> list[np.ndarray]:
        """Clips by label and truth, a table a seed; the last row of each has the discarded clips."""
        return [np.array(self.rows[seed]["label_truth"]) for seed in sorted(self.rows)]


class Collected:
    """The finished arms of one configuration.

    Args:
      rows: of a results file.
      test: manifest of the test videos, which names the groups.

    Raises:
      UserError: there are no rows, rows of several configurations, or of another test set.
    """

    def __init__(self, rows: Sequence[Row], test: pathlib.Path):
        configurations = collections.Counter(row["config"] for row in rows)
        if not configurations:
            raise UserError("the results file has no rows: run the study with the same --results first")
        if len(configurations) > 1:
            found = ", ".join(f"{name} ({count} rows)" for name, count in configurations.items())
            raise UserError(
                f"the results file mixes configurations: {found}: grep the lines of one into a file of their own, "
                "and give each configuration its own --results"
            )
        videos = sorted(pathlib.Path(row.path).stem for row in manifests.read(test))
        self._groups = [video.rsplit("_", 1)[0] for video in videos]
        if any(len(row["correct"]) != len(videos) for row in rows):
            raise UserError(f"{test} has {len(videos)} videos, not those of the results")
        self._rows = [{"variant": ""} | row for row in rows]  # Rows of before there were variants have none.

    def arm(self, study: str, strategy: str, **options: float | str | None) -> Outcomes:
        """The outcomes of an arm, maybe of none of its seeds yet; `options` as of `Arm`."""
        wanted = dataclasses.asdict(Arm(study, strategy, seed=0, **options))
        del wanted["seed"]
        return self.where(strategy, wanted)

    def where(self, name: str, wanted: Mapping[str, object]) -> Outcomes:
        """The rows with these values of their columns, one a seed, under a name."""
        found = {row["seed"]: row for row in self._rows if all(row[key] == value for key, value in wanted.items())}
        return Outcomes(name, found)

    def main(self, strategy: str) -> Outcomes:
        return self.arm(MAIN, strategy)

    def difference(self, first: Outcomes, second: Outcomes) -> Difference | None:
        """Over the seeds that both have; None without any."""
        seeds = sorted(first.rows.keys() & second.rows.keys())
        if not seeds or first.rows == second.rows:
            return None
        return paired_difference(correct(first, seeds), correct(second, seeds), self._groups)

    def gains(self, first: Outcomes, second: Outcomes) -> tuple[np.ndarray, list[str]]:
        """First minus second over the seeds that both have, -1, 0 or 1, [S, V], and the V names of the recordings."""
        seeds = sorted(first.rows.keys() & second.rows.keys())
        return correct(first, seeds).astype(np.float64) - correct(second, seeds), self._groups


def correct(outcomes: Outcomes, seeds: Sequence[int]) -> np.ndarray:
    """Whether each test video was right with each seed, bool [S, V]."""
    return np.array([[digit == "1" for digit in outcomes.rows[seed]["correct"]] for seed in seeds])
