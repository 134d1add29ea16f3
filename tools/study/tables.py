"""The tables of results/ucf6.md and results/ucf6_paper.md, in Markdown."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from tools.study.arms import FEWER_SEEDS, PAPER, STRATEGIES
from tools.study.cells import gain, interval, label_cells, markdown, mean_top_1, percent
from tools.study.claims import CLAIMS, outcomes, verdict
from tools.study.collected import Collected, Outcomes
from tools.study.label_classes import label_classes

_WEAK_NONE = ("minus weak", "minus none")


@dataclasses.dataclass(frozen=True)
class _Line:
    """Of a table of differences: the first cells, an arm, and the arms it is compared with."""

    cells: Sequence[str]
    arm: Outcomes
    bases: Sequence[Outcomes]


def main_table(results: Collected) -> str:
    """Every strategy against weak labels and against no pre-training."""
    bases = (results.main("weak"), results.main("none"))
    return _compared(
        results, ["strategy"], _WEAK_NONE, [_Line([name], results.main(name), bases) for name in STRATEGIES]
    )


def variants_table(results: Collected) -> str:
    """The confidence threshold and the second round, also against the same strategies without."""
    lines = []
    for name in ("spl", "spl_b"):
        plain = results.main(name)
        for title, arm in (
            (name, plain),
            (f"{name}, confidence >= 0.5", results.arm("confidence", name, min_confidence=0.5)),
            (f"{name}, round 2", results.arm("rounds", name, round=2)),
        ):
            lines.append(_Line([title], arm, (results.main("weak"), results.main("none"), plain)))
    return _compared(results, ["strategy"], [*_WEAK_NONE, "minus the same without"], lines)


def teacher_table(results: Collected) -> str:
    """Strategies that ask a teacher, with teachers of a part of the target set; weak labels ask none."""
    lines = []
    for share in (0.25, 0.5, 1.0):
        for name in ("teacher", "agreement", "spl", "spl_b"):
            full = results.main(name).only(FEWER_SEEDS)
            arm = full if share == 1 else results.arm("teacher", name, teacher_share=share)
            right = percent(arm.values("teacher_right"))
            lines.append(_Line([f"{share:.0%}", right, name], arm, (results.main("weak"), results.main("none"), full)))
    first = ["teacher's part of the target set", "teacher right on web clips", "strategy"]
    return _compared(results, first, [*_WEAK_NONE, "minus the same at 100 %"], lines)


def query_table(results: Collected) -> str:
    """Strategies with weak labels of a known quality, against weak labels of the same quality."""
    lines = []
    for share in (0.2, 0.4, 0.6, 1.0):
        weak = results.arm("query", "weak", query_right=share)
        for name in ("weak", "agreement", "spl", "spl_b") if share < 1 else ("weak",):
            arm = results.arm("query", name, query_right=share)
            cells = [f"{share:.0%}", percent(arm.values("noise_ratio")), name]
            lines.append(_Line(cells, arm, (weak, results.main("none"))))
    return _compared(results, ["queries that are right", "noise ratio", "strategy"], _WEAK_NONE, lines)


def paper_table(results: Collected, study: str) -> str:
    """A question of `PAPER`: every variant against weak labels and none, with the same variant where there are such
    arms, and against the same strategy without it."""
    variants, names = PAPER[study]

    def arm(name: str, variant: str) -> Outcomes:
        return results.arm(study, name, variant=variant) if variant else results.main(name).only(FEWER_SEEDS)

    lines = []
    for variant, name in itertools.product(("", *variants), names):
        weak, none = (arm(base, variant if base in names and base != name else "") for base in ("weak", "none"))
        cells = [variant or "-", percent(arm(name, variant).values("noise_ratio")), name]
        lines.append(_Line(cells, arm(name, variant), (weak, none, arm(name, ""))))
    return _compared(results, ["variant", "noise ratio", "strategy"], [*_WEAK_NONE, "minus the same without"], lines)


def claims_table(results: Collected) -> str:
    """Every ordering that the paper claims, and whether it is found here.

    Beside it what probes of the pre-trained backbones say: the mean difference, and in how many seeds it is above zero.
    """
    rows = []
    for claim in CLAIMS:
        higher, lower = outcomes(results, claim.higher), outcomes(results, claim.lower)
        difference = results.difference(higher, lower)
        seeds = f"{difference.seeds}" if difference else "0"
        names = (", ".join(part for part in arm if part) for arm in (claim.higher, claim.lower))
        here = interval(difference, difference.seeds if difference else 0)
        probes = (gain(higher, lower, column) for column in ("linear_probe", "knn"))
        rows.append([claim.source, *names, claim.points or "-", seeds, here, verdict(difference), *probes])
    header = ["the paper's", "higher", "lower", "by (paper)", "seeds", "by (here)", "verdict", "probe", "k-NN"]
    return markdown(header, rows)


def labels_table(results: Collected) -> str:
    """What each strategy makes of the web clips, measured against what they really show."""
    rows = []
    for name in STRATEGIES[1:]:
        outcomes = results.main(name)
        if outcomes.rows:
            rows.append([name, *label_cells(outcomes.tables())])
    header = [
        "strategy",
        "classes",
        "clips used",
        "purity",
        "bits a used clip",
        "bits a web clip",
        "rarest action kept",
    ]
    return markdown(header, rows)


def purity_table(results: Collected) -> str:
    """Purity of the classes of each strategy, and whether they show what their names say, over all seeds."""
    rows = []
    classes = label_classes(results)
    for strategy in dict.fromkeys(each.strategy for each in classes):
        filled = [each for each in classes if each.strategy == strategy and each.clips]
        pure = [each.purity for each in filled]
        named = [(each.name.split("|"), each.shown) for each in filled]
        other_than_named = [names[0] not in shown for names, shown in named if len(names) == 1]
        queried = [names[0] in shown for names, shown in named if len(names) == 2]
        seen = [names[1] in shown for names, shown in named if len(names) == 2 and names[1] != "other"]
        rows.append(
            [
                strategy,
                f"{len({each.seed for each in filled})}",
                *(percent([value]) for value in (min(pure), np.median(pure), max(pure))),
                *(f"{sum(found)} of {len(found)}" if found else "-" for found in (other_than_named, queried, seen)),
            ]
        )
    header = [
        "strategy",
        "seeds",
        "lowest purity",
        "median",
        "highest",
        "named after one action, show another",
        "query and teacher differ, show the query's",
        "show the teacher's",
    ]
    return markdown(header, rows)


def _compared(results: Collected, first: Sequence[str], minus: Sequence[str], lines: Sequence[_Line]) -> str:
    """Markdown; `first` and `minus` name the columns of the lines' cells and bases."""
    rows = [
        [
            *line.cells,
            f"{len(line.arm.rows)}",
            f"{np.mean(line.arm.values('classes')):g}" if line.arm.rows else "-",
            f"{np.mean(line.arm.values('clips')):,.0f}" if line.arm.rows else "-",
            mean_top_1(line.arm),
            *(interval(results.difference(line.arm, base), len(line.arm.rows)) for base in line.bases),
            percent(line.arm.values("linear_probe")),
            percent(line.arm.values("knn")),
        ]
        for line in lines
    ]
    return markdown([*first, "seeds", "classes", "clips used", "top-1 (%)", *minus, "probe", "k-NN"], rows)
