"""Each class of the label spaces of the main study: its clips, and what they really show."""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf.files import atomic_path
from tools.study.arms import STRATEGIES
from tools.study.collected import Collected
from tools.study.truth import purity

_HEADER = ("strategy", "seed", "class", "clips", "purity", "most_frequent_action")


@dataclasses.dataclass(frozen=True)
class LabelClass:
    """A class of one strategy and seed.

    Attributes:
      strategy: whose label space.
      seed: of the teacher.
      name: "run"; "run|jump" for run queried and jump seen; "run|other" for anything else seen.
      clips: how many have this label.
      purity: share of them that shows the most frequent action, nan without clips.
      shown: the most frequent action; several where counts are equal, none without clips.
    """

    strategy: str
    seed: int
    name: str
    clips: int
    purity: float
    shown: tuple[str, ...]


def label_classes(results: Collected) -> list[LabelClass]:
    """The classes of every strategy and seed that is finished, in their order."""
    classes = []
    for strategy in STRATEGIES[1:]:
        for seed, row in sorted(results.main(strategy).rows.items()):
            names = row["label_names"]
            actions = [name for name in names if "|" not in name]  # Every label space has them, in the classes' order.
            table = np.array(row["label_truth"])[:-1]
            for name, counts, pure in zip(names, table, purity(table), strict=True):
                shown = tuple(
                    action for action, count in zip(actions, counts, strict=True) if count == counts.max() > 0
                )
                classes.append(LabelClass(strategy, seed, name, int(counts.sum()), float(pure), shown))
    return classes


def write_classes(classes: Sequence[LabelClass], path: pathlib.Path) -> None:
    """Writes a CSV, a row a class; equally frequent actions have a "/" between, a class without clips has no purity."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(_HEADER)
        for each in classes:
            share = f"{each.purity:.4f}" if each.clips else ""
            writer.writerow([each.strategy, each.seed, each.name, each.clips, share, "/".join(each.shown)])
