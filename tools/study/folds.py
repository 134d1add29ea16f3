"""Runs the main study of ucf6 in leave-groups-out folds, one line of the results file for each strategy, fold and seed.

  python -m tools.ucf6.folds --data=data/ucf6 --folds=4 --output_dir=data/ucf6_folds
  python -m tools.study.folds --gin_file=ucf6.gin --folds=data/ucf6_folds --output_dir=runs/folds
      --results=results/ucf6_folds.jsonl

--seeds trainings of each strategy in every fold, 2 by default; the first seed of all folds comes before the second. As
of tools.study.ucf6, whatever the results file has is not run again, a killed run goes on with the same command, and
the same command started twice shares the work. tools.study.folds_report makes the tables.

--strategies=none,weak runs these only.
"""

import dataclasses
import itertools
import pathlib
import re

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.study.arms import MAIN, STRATEGIES, Arm
from tools.study.chosen import chosen_arms, study_flags

FLAGS = study_flags("strategies", "Strategies to run")
flags.DEFINE_string("folds", None, "Folder that tools.ucf6.folds made.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", 2, "Trainings of each strategy in every fold.", lower_bound=1, flag_values=FLAGS)


@dataclasses.dataclass(frozen=True)
class FoldArm(Arm):
    """A strategy in a fold.

    Attributes:
      fold: its number.
      folds: how many there are.
    """

    fold: int = 0
    folds: int = 0


def main() -> int:
    command.require_flags(FLAGS, "folds", "output_dir", "results")
    folders = fold_folders(pathlib.Path(FLAGS.folds))
    arms = chosen_arms(fold_arms(len(folders), FLAGS.seeds), "strategy", "strategies", FLAGS.strategies)
    command.parse_gin(FLAGS)
    from spl_tf.experiment.resumable import replacing_changed

    with replacing_changed(FLAGS.replace_changed):
        run_folds(folders, arms, pathlib.Path(FLAGS.output_dir), pathlib.Path(FLAGS.results))
    return 0


def fold_arms(folds: int, seeds: int) -> list[FoldArm]:
    """Every arm, seed by seed and fold by fold."""
    return [
        FoldArm(MAIN, strategy, seed, fold=fold, folds=folds)
        for seed, fold, strategy in itertools.product(range(seeds), range(folds), STRATEGIES)
    ]


def fold_folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """The lists of every fold, in their order.

    Raises:
      UserError: they are not all there, or of different numbers of folds.
    """
    found = {path: re.fullmatch(r"fold(\d+)of(\d+)", path.name) for path in folder.glob("fold*of*")}
    numbers = sorted((int(match[2]), int(match[1]), path) for path, match in found.items() if match)
    folds = numbers[0][0] if numbers else 0
    if [number[:2] for number in numbers] != [(folds, fold) for fold in range(folds)] or not folds:
        names = ", ".join(path.name for _, _, path in numbers) or "no folds"
        raise UserError(f"{folder} has {names}, not all of one number: make them with tools.ucf6.folds")
    return [path for _, _, path in numbers]


def run_folds(
    folders: list[pathlib.Path], arms: list[FoldArm], output_dir: pathlib.Path, results: pathlib.Path
) -> None:
    """Runs arms in their order, each with the lists of its fold, under the gin configuration that is parsed.

    Raises:
      UserError: what any of the stages raises.
    """
    from spl_tf import configuration
    from tools.study.run import run_arms
    from tools.study.study import ucf6_study

    for fold, of_fold in itertools.groupby(arms, key=lambda arm: arm.fold):
        with configuration.overridden([f"video_folder.folder = {str(folders[fold])!r}"]):
            every = [arm for arm in arms if arm.fold == fold]
            run_arms(ucf6_study(output_dir / folders[fold].name, every), list(of_fold), results)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
