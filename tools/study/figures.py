"""The figures of RESULTS.md."""

import pathlib

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spl_tf.files import atomic_path
from tools.study.arms import STRATEGIES
from tools.study.collected import Collected, Outcomes
from tools.study.truth import purity

_COLORS = dict(
    zip(
        STRATEGIES,
        ["#777777", "#333333", "#e08a3c", "#8a6bbe", "#2a5d9f", "#4ba3c3", "#7fb069", "#c0392b"],
        strict=True,
    )
)


def draw_differences(results: Collected, path: pathlib.Path) -> None:
    """Every strategy minus weak labels and minus no pre-training, with intervals."""
    figure = _figure(9, 3.6)
    for place, base in enumerate(("weak", "none"), 1):
        axes = figure.add_subplot(1, 2, place)
        names = [name for name in STRATEGIES if name != base][::-1]
        for height, name in enumerate(names):
            difference = results.difference(results.main(name), results.main(base))
            if difference is not None:
                axes.plot([difference.low, difference.high], [height, height], color=_COLORS[name], linewidth=2)
                axes.plot(difference.points, height, "o", color=_COLORS[name])
        axes.set_yticks(range(len(names)), names)
        axes.axvline(0, color="#999999", linewidth=1)
        axes.set_xlabel(f"top-1 minus {base}, points (95 % interval)")
    _save(figure, path)


def draw_purity(results: Collected, path: pathlib.Path) -> None:
    """Purity of each class of the label spaces, by the clips it has; one seed."""
    figure = _figure(9, 3.2)
    names = ("weak", "teacher", "spl", "spl_b")
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(1, len(names), place, xscale="log", ylim=(0, 1.03), title=name)
        outcomes = results.main(name)
        if outcomes.rows:
            table = outcomes.tables()[0][:-1]
            axes.plot(table.sum(axis=1), purity(table), "o", color=_COLORS[name], alpha=0.7)
        axes.set_xlabel("clips of the class")
        if place == 1:
            axes.set_ylabel("share of its most frequent action")
    _save(figure, path)


def draw_conditions(results: Collected, path: pathlib.Path) -> None:
    """Top-1 against the queries' correctness and the teacher's part of the target set; bars are deviations of seeds."""
    figure = _figure(9, 3.6)
    axes = figure.add_subplot(1, 2, 1, xlabel="queries that are right (%)", ylabel="top-1 (%)")
    for name in ("weak", "agreement", "spl", "spl_b"):
        _line(axes, {100 * s: results.arm("query", name, query_right=s) for s in (0.2, 0.4, 0.6, 1.0)}, name)
    axes.legend(frameon=False)
    axes = figure.add_subplot(1, 2, 2, xlabel="teacher's part of the target set (%)")
    for name in ("teacher", "agreement", "spl", "spl_b"):
        arms = {100 * share: results.arm("teacher", name, teacher_share=share) for share in (0.25, 0.5)}
        _line(axes, arms | {100: results.main(name)}, name)
    axes.legend(frameon=False)
    _save(figure, path)


def _line(axes, arms: dict[float, Outcomes], name: str) -> None:
    points = {x: 100 * arm.values("top_1") for x, arm in arms.items() if arm.rows}
    axes.errorbar(
        list(points),
        [top_1.mean() for top_1 in points.values()],
        [top_1.std(ddof=1) if top_1.size > 1 else 0 for top_1 in points.values()],
        marker="o",
        capsize=3,
        label=name,
        color=_COLORS[name],
    )


def _figure(width: float, height: float) -> Figure:
    figure = Figure((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: pathlib.Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
