"""Tables of the main study in leave-groups-out folds, from its results file, in Markdown.

  python -m tools.study.folds_report --results=results/ucf6_folds.jsonl --folds=data/ucf6_folds

Top-1 is over the test videos of all folds, each tested in one. Intervals, 95 %, are of its difference, paired over
folds, seeds and videos, and allow for recordings and for trainings (tools/study/folded.py); a bold one leaves zero
out. They need two seeds in every fold, which both strategies have: until then a difference has no interval. A strategy
that lacks folds says of how many it is.
"""

import collections
import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from spl_tf.report.intervals import Difference
from tools.study.arms import STRATEGIES
from tools.study.cells import interval, markdown, percent
from tools.study.claims import CLAIMS, verdict
from tools.study.collected import Collected
from tools.study.folded import folded_difference
from tools.study.folds import fold_folders
from tools.study.results import Row, read_rows

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "JSON lines file of tools.study.folds.", flag_values=FLAGS)
flags.DEFINE_string("folds", None, "Folder that tools.ucf6.folds made: which videos are tested.", flag_values=FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "results", "folds")
    folds = collected_folds(read_rows(pathlib.Path(FLAGS.results)), fold_folders(pathlib.Path(FLAGS.folds)))
    print(f"### Strategies over folds\n\n{strategies_table(folds)}\n")
    print(f"### The paper's orderings\n\n{orderings_table(folds)}")


def collected_folds(rows: Sequence[Row], folders: Sequence[pathlib.Path]) -> list[Collected]:
    """The finished arms of every fold that has some.

    Raises:
      UserError: rows are of another number of folds, or as `Collected`.
    """
    by_fold = collections.defaultdict(list)
    for row in rows:
        if row.get("folds") != len(folders):
            raise UserError(f"the results have a row of {row.get('folds')} folds: there are {len(folders)} in --folds")
        by_fold[row["fold"]].append(row)
    if not by_fold:
        raise UserError("the results file has no rows: run tools.study.folds with the same --results first")
    return [Collected(by_fold[fold], folders[fold] / "test.csv") for fold in sorted(by_fold)]


def difference(folds: Sequence[Collected], first: str, second: str) -> Difference | float | None:
    """Over the folds and seeds that both have; only points without two seeds in each; None without any."""
    both = [(fold, fold.main(first), fold.main(second)) for fold in folds]
    paired = [fold.gains(one, other) for fold, one, other in both if one.rows.keys() & other.rows.keys()]
    if not paired or first == second:
        return None
    if min(len(gains) for gains, _ in paired) < 2:
        videos = sum(len(recordings) for _, recordings in paired)
        return 100 * float(sum(gains.mean(axis=0).sum() for gains, _ in paired)) / videos
    return folded_difference(paired)


def strategies_table(folds: Sequence[Collected]) -> str:
    """Every strategy against weak labels and against no pre-training."""
    lines = []
    for name in STRATEGIES:
        found = [outcomes for fold in folds if (outcomes := fold.main(name)).rows]
        rows = [row for outcomes in found for row in outcomes.rows.values()]
        right = [np.mean([row["correct"].count("1") for row in outcomes.rows.values()]) for outcomes in found]
        videos = sum(len(next(iter(outcomes.rows.values()))["correct"]) for outcomes in found)
        lines.append(
            [
                name,
                f"{len(found)}",
                f"{len(rows)}",
                f"{videos}",
                f"{100 * sum(right) / videos:.1f}" if videos else "-",
                *(_shown(difference(folds, name, base)) for base in ("weak", "none")),
                *(percent([row.get(column, np.nan) for row in rows]) for column in ("linear_probe", "knn")),
            ]
        )
    header = ["strategy", "folds", "trainings", "test videos", "top-1 (%)", "minus weak", "minus none", "probe", "k-NN"]
    return markdown(header, lines)


def orderings_table(folds: Sequence[Collected]) -> str:
    """The paper's orderings of these strategies."""
    lines = []
    for claim in CLAIMS:
        if not claim.higher[1] and not claim.lower[1]:
            here = difference(folds, claim.higher[0], claim.lower[0])
            told = verdict(here) if isinstance(here, Difference) else "-"
            lines.append([claim.source, claim.higher[0], claim.lower[0], claim.points or "-", _shown(here), told])
    return markdown(["the paper's", "higher", "lower", "by (paper)", "by (here)", "verdict"], lines)


def _shown(found: Difference | float | None) -> str:
    if isinstance(found, float):
        return f"{found:+.1f} (no interval)"
    return interval(found, found.seeds if found else 0)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
