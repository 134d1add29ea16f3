"""What labelling made of the web set: clips kept, merged and discarded, the cover ratio's curve, the long tail."""

import numpy as np

from spl_tf.report.cells import CellFates, Matrix, off_diagonal
from spl_tf.report.collect import Labels, Recipe, read_labels_of
from spl_tf.report.markup import Html, Section, element, section, table
from spl_tf.report.svg import Series, line_chart, stacked_bar

_MOST_POINTS = 200
# Strategies whose classes are the fullest cells, diagonal first: unless clips are left out, they lie on the curve.
_ON_THE_CURVE = ("agreement", "spl_d", "spl_m")


def fates_section(recipe: Recipe, matrix: Matrix) -> Section:
    """Clips and cells kept, merged and discarded by every strategy."""
    seed = recipe.seeds[0]
    columns = {"strategy": "Strategy", "bar": "Share of the clips", "own": "Kept", "merged": "Merged"}
    columns |= {"discarded": "Discarded", "scr": "SCR (%)", "confidence": "Least confidence"}
    columns |= {"cells": "Cells kept / merged / discarded"}
    cells = {fates.name: _count_cells(matrix, fates) for fates in matrix.fates}
    labelled = read_labels_of(recipe, seed)
    rows = [_fates_row(labels, cells.get(labels.name, "-")) for labels in labelled]
    key = [
        element("li", element("span", class_=f"swatch {kind}", aria_hidden="true"), text)
        for kind, text in (
            ("own", "kept in the cell's class"),
            ("merged", "merged: its cell is too small, the clip gets its query's class"),
            ("discarded", "discarded"),
        )
    ]
    caption = f"Web clips by what labelling made of them, seed {seed}; cells are those that hold clips"
    return section(
        "fates",
        "Kept, merged, discarded",
        element("ul", *key, class_="legend"),
        table("fates-table", caption, columns, rows, texts=("bar",)),
        *_note_on_scores([labels.name for labels in labelled if not labels.by_cell]),
    )


def _note_on_scores(names: list[str]) -> list[Html]:
    if not names:
        return []
    text = f"{', '.join(names)}: clips are judged one by one; a cell shows the class that its surest clips got."
    return [element("p", text, class_="note")]


def _fates_row(labels: Labels, cells: str) -> list[str]:
    own = labels.kept - labels.merged
    parts = {"own": own, "merged": labels.merged, "discarded": labels.discarded}
    return [
        labels.name,
        stacked_bar([(kind, count / max(labels.clips, 1)) for kind, count in parts.items()]),
        *(f"{count:,} ({count / max(labels.clips, 1):.1%})" for count in parts.values()),
        f"{100 * labels.samples_cover_ratio:.1f}",
        f"{labels.min_confidence:g}" if labels.min_confidence else "-",
        cells,
    ]


def _count_cells(matrix: Matrix, fates: CellFates) -> str:
    filled = matrix.confusion > 0
    merged, discarded = (int((filled & cells).sum()) for cells in (fates.merged, fates.discarded))
    return f"{int(filled.sum()) - merged - discarded:,} / {merged:,} / {discarded:,}"


def cover_curve(confusion: np.ndarray) -> np.ndarray:
    """Samples cover ratio by number of cells, float64 [M]: entry i is of N + i cells.

    Cells are taken as SPL-M and SPL-D take them: all N of the diagonal, then the fullest others by falling
    count; M ends with the last cell that holds clips.
    """
    others = np.sort(off_diagonal(confusion), axis=None)[::-1]
    covered = np.trace(confusion) + np.append(0, np.cumsum(others[others > 0]))
    return covered / max(int(confusion.sum()), 1)


def coverage_section(recipe: Recipe, matrix: Matrix) -> Section:
    """The share of clips that the K fullest cells cover (the paper's figure 4)."""
    num_classes = len(matrix.classes)
    curve = cover_curve(matrix.confusion)
    chosen = np.unique(np.geomspace(1, len(curve), _MOST_POINTS).round().astype(int)) - 1
    series = [Series("K fullest cells", chosen + num_classes, curve[chosen], None)]
    for labels in read_labels_of(recipe, matrix.seed):
        if labels.name in _ON_THE_CURVE:
            x, y, colour = [len(labels.counts)], [labels.samples_cover_ratio], recipe.colour(labels.name)
            series.append(Series(labels.name, x, y, colour, marks=True, line=False))
    chart = line_chart(
        "coverage-chart",
        "Clips covered by the fullest cells",
        series,
        x_title="cells with a class of their own (log scale)",
        y_title="share of the web clips",
        log_x=True,
        y_limits=(0.0, 1.0),
        percent=True,
    )
    sizes = [factor * num_classes for factor in (1, 2, 4, 8, 16, 32, 64)]
    shown = [size for size in sizes if size < num_classes + len(curve) - 1] + [num_classes + len(curve) - 1]
    rows = [
        [f"{size:,}", f"{round(size / num_classes, 2):g}", f"{100 * curve[size - num_classes]:.1f}"] for size in shown
    ]
    columns = {"cells": "Cells", "ratio": "Cells / classes", "scr": "SCR (%)"}
    caption = f"Share of the web clips in the fullest cells, seed {matrix.seed}; the last row holds every clip"
    text = (
        "Cells are counted as SPL-M and SPL-D choose them: the diagonal first, where query and teacher agree, then "
        "the most frequent others."
    )
    figures = element("div", chart, table("coverage-table", caption, columns, rows), class_="charts")
    return section("coverage", "Samples cover ratio", element("p", text), figures)


def tail_section(recipe: Recipe) -> Section:
    """Sorted sizes of every strategy's classes."""
    seed = recipe.seeds[0]
    series, rows = [], []
    for labels in read_labels_of(recipe, seed):
        sizes = np.sort(np.array(labels.counts))[::-1]
        filled = sizes[sizes > 0]
        rows.append([labels.name, f"{len(sizes):,}", f"{len(sizes) - len(filled):,}", *_quantiles(filled)])
        if len(filled):
            chosen = np.unique(np.geomspace(1, len(filled), _MOST_POINTS).round().astype(int)) - 1
            marks = len(filled) <= 60
            series.append(Series(labels.name, chosen + 1, filled[chosen], recipe.colour(labels.name), marks=marks))
    columns = {"strategy": "Strategy", "classes": "Classes", "empty": "Empty"}
    columns |= {"largest": "Largest", "median": "Median", "smallest": "Smallest"}
    numbers = table("tail-table", f"Clips of the classes that have any, seed {seed}", columns, rows)
    x_title, y_title = "rank of the class (log scale)", "clips of the class (log scale)"
    charts = []
    if series:
        charts.append(
            line_chart("tail-chart", "Class sizes", series, x_title=x_title, y_title=y_title, log_x=True, log_y=True)
        )
    return section("tail", "Long tail", element("div", *charts, numbers, class_="charts"))


def _quantiles(filled: np.ndarray) -> list[str]:
    if not len(filled):
        return ["-"] * 3
    return [f"{filled[0]:,}", f"{np.median(filled):,g}", f"{filled[-1]:,}"]
