"""Cells of a study's tables, in Markdown."""

from collections.abc import Sequence

import numpy as np

from spl_tf.labels.label_quality import mutual_information
from spl_tf.report.intervals import Difference
from tools.study.collected import Outcomes
from tools.study.truth import purity


def gain(first: Outcomes, second: Outcomes, column: str) -> str:
    """The mean difference of a column over the seeds that both have, and in how many it is above zero."""
    seeds = first.rows.keys() & second.rows.keys()
    gains = first.only(seeds).values(column) - second.only(seeds).values(column)
    if not gains.size or np.isnan(gains).any():
        return "-"
    return f"{100 * gains.mean():+.1f} ({np.count_nonzero(gains > 0)} of {gains.size})"


def mean_top_1(outcomes: Outcomes) -> str:
    """Mean and deviation over the seeds."""
    top_1 = 100 * outcomes.values("top_1")
    if not top_1.size:
        return "-"
    return f"{top_1.mean():.1f}" + (f" ± {top_1.std(ddof=1):.1f}" if top_1.size > 1 else "")


def percent(values: Sequence[float]) -> str:
    """The mean of shares, nan left out."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return f"{100 * known.mean():.1f} %" if known.size else "-"


def label_cells(tables: Sequence[np.ndarray]) -> list[str]:
    """What labels say of what clips show: classes, clips used, purity, bits a used and a web clip, rarest class kept.

    Args:
      tables: as of `Outcomes.tables`, one a seed.
    """
    kept = [table[:-1] for table in tables]
    clips = np.array([table.sum() for table in tables])
    used = np.array([table.sum() for table in kept])
    pure = [np.nansum(purity(table) * table.sum(axis=1)) / table.sum() for table in kept]
    bits = np.array([mutual_information(table) for table in kept])
    least = [np.min(table.sum(axis=0) / whole.sum(axis=0)) for table, whole in zip(kept, tables, strict=True)]
    of_web = np.mean(bits * used / clips)
    classes = f"{np.mean([len(table) for table in kept]):g}"
    return [classes, percent(used / clips), percent(pure), f"{bits.mean():.2f}", f"{of_web:.2f}", percent(least)]


def interval(difference: Difference | None, seeds: int) -> str:
    """With the number of seeds where it is not `seeds`: arms that are not finished."""
    if difference is None:
        return "-"
    mark = "**" if difference.is_distinguishable else ""
    fewer = "" if difference.seeds == seeds else f" (seeds: {difference.seeds})"
    return f"{mark}{difference.points:+.1f}{mark} [{difference.low:+.1f}, {difference.high:+.1f}]{fewer}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
