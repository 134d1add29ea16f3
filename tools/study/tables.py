"""The tables of RESULTS.md, in Markdown."""

from collections.abc import Sequence

import numpy as np

from tools.study.arms import STRATEGIES
from tools.study.collected import Collected, Outcomes
from tools.study.intervals import Difference
from tools.study.truth import mutual_information, purity


def main_table(results: Collected) -> str:
    """Every strategy against weak labels and against no pre-training."""
    return _compared(results, [results.main(name) for name in STRATEGIES])


def variants_table(results: Collected) -> str:
    """The confidence threshold and the second round, beside the same strategies without."""
    outcomes = []
    for name in ("spl", "spl_b"):
        outcomes.append(results.main(name))
        outcomes.append(_named(f"{name}, confidence >= 0.5", results.arm("confidence", name, min_confidence=0.5)))
        outcomes.append(_named(f"{name}, round 2", results.arm("rounds", name, round=2)))
    return _compared(results, outcomes)


def teacher_table(results: Collected) -> str:
    """Strategies that ask a teacher, with teachers of a part of the target set."""
    names = ("teacher", "agreement", "spl", "spl_b")
    rows = []
    for share in (0.25, 0.5, 1.0):
        arms = [
            results.main(name) if share == 1 else results.arm("teacher", name, teacher_share=share) for name in names
        ]
        right = np.concatenate([arm.values("teacher_right") for arm in arms])
        rows.append([f"{share:.0%}", _percent(right), *(_mean_top_1(arm) for arm in arms)])
    return _markdown(["teacher's part of the target set", "teacher right on web clips", *names], rows)


def query_table(results: Collected) -> str:
    """Strategies with weak labels of a known quality."""
    names = ("weak", "agreement", "spl", "spl_b")
    rows = []
    for share in (0.2, 0.4, 0.6, 1.0):
        arms = [results.arm("query", name, query_right=share) for name in names]
        noise = np.concatenate([arm.values("noise_ratio") for arm in arms])
        rows.append([f"{share:.0%}", _percent(noise), *(_mean_top_1(arm) for arm in arms)])
    return _markdown(["queries that are right", "noise ratio", *names], rows)


def labels_table(results: Collected) -> str:
    """What each strategy makes of the web clips, measured against what they really show."""
    rows = []
    for name in STRATEGIES[1:]:
        outcomes = results.main(name)
        if outcomes.rows:
            tables = outcomes.tables()
            kept = [table[:-1] for table in tables]
            clips = np.array([table.sum() for table in tables])
            used = np.array([table.sum() for table in kept])
            pure = [np.nansum(purity(table) * table.sum(axis=1)) / table.sum() for table in kept]
            bits = np.array([mutual_information(table) for table in kept])
            least = [np.min(table.sum(axis=0) / whole.sum(axis=0)) for table, whole in zip(kept, tables, strict=True)]
            rows.append(
                [
                    name,
                    f"{np.mean([len(table) for table in kept]):g}",
                    _percent(used / clips),
                    _percent(pure),
                    f"{bits.mean():.2f}",
                    f"{np.mean(bits * used / clips):.2f}",
                    _percent(least),
                ]
            )
    header = [
        "strategy",
        "classes",
        "clips used",
        "purity",
        "bits a used clip",
        "bits a web clip",
        "rarest action kept",
    ]
    return _markdown(header, rows)


def _compared(results: Collected, outcomes: Sequence[Outcomes]) -> str:
    weak, none = results.main("weak"), results.main("none")
    rows = [
        [
            arm.name,
            f"{len(arm.rows)}",
            f"{np.mean(arm.values('classes')):g}" if arm.rows else "-",
            f"{np.mean(arm.values('clips')):,.0f}" if arm.rows else "-",
            _mean_top_1(arm),
            _interval(results.difference(arm, weak)),
            _interval(results.difference(arm, none)),
            _percent(arm.values("linear_probe")),
            _percent(arm.values("knn")),
        ]
        for arm in outcomes
    ]
    header = ["strategy", "seeds", "classes", "clips used", "top-1 (%)", "minus weak", "minus none", "probe", "k-NN"]
    return _markdown(header, rows)


def _named(name: str, outcomes: Outcomes) -> Outcomes:
    return Outcomes(name, outcomes.rows)


def _mean_top_1(outcomes: Outcomes) -> str:
    top_1 = 100 * outcomes.values("top_1")
    if not top_1.size:
        return "-"
    return f"{top_1.mean():.1f}" + (f" ± {top_1.std(ddof=1):.1f}" if top_1.size > 1 else "")


def _percent(values: Sequence[float]) -> str:
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return f"{100 * known.mean():.1f} %" if known.size else "-"


def _interval(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    mark = "**" if difference.is_distinguishable else ""
    return f"{mark}{difference.points:+.1f}{mark} [{difference.low:+.1f}, {difference.high:+.1f}]"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
