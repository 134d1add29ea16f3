"""The figures of results/ucf6.md."""

import itertools
import pathlib
from collections.abc import Sequence

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spl_tf.files import atomic_path
from tools.study.arms import FEWER_SEEDS, STRATEGIES
from tools.study.collected import Collected, Outcomes
from tools.study.label_classes import LabelClass

_COLORS = dict(
    zip(
        STRATEGIES,
        ["#777777", "#333333", "#e08a3c", "#8a6bbe", "#2a5d9f", "#4ba3c3", "#7fb069", "#c0392b"],
        strict=True,
    )
)
_PURITY_COLUMNS = (("weak", "teacher", "agreement", "spl_b"), ("spl",), ("spl_m", "spl_d"))


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


def draw_purity(classes: Sequence[LabelClass], path: pathlib.Path) -> None:
    """Purity of each class of the label spaces, a dot a seed; its area is the clips, its colour their action."""
    actions = sorted({action for each in classes for action in each.shown})
    color_of = dict(zip(actions, itertools.cycle(matplotlib.colormaps["Dark2"].colors), strict=False))
    figure = _figure(13, 8)
    for column, strategies in zip(figure.subfigures(1, len(_PURITY_COLUMNS)), _PURITY_COLUMNS, strict=True):
        names = {
            strategy: list(dict.fromkeys(each.name for each in classes if each.strategy == strategy))
            for strategy in strategies
        }
        heights = [2 + len(found) for found in names.values()]
        panels = column.subplots(len(strategies), squeeze=False, height_ratios=heights, sharex=True)[:, 0]
        for axes, strategy in zip(panels, strategies, strict=True):
            filled = [each for each in classes if each.strategy == strategy and each.clips]
            axes.scatter(
                [100 * each.purity for each in filled],
                [names[strategy].index(each.name) for each in filled],
                [max(4, each.clips / 2) for each in filled],
                [color_of[each.shown[0]] for each in filled],
                alpha=0.6,
                linewidths=0,
            )
            axes.set(xlim=(0, 103), title=strategy)
            axes.set_yticks(range(len(names[strategy])), names[strategy], fontsize=7)
            axes.set_ylim(len(names[strategy]) - 0.4, -0.6)
            axes.set_axisbelow(True)
            axes.grid(axis="y", color="#eeeeee", linewidth=0.7)
        panels[-1].set_xlabel("clips of the most frequent action (%)", fontsize=9)
    marks = [Line2D([], [], marker="o", linestyle="", color=color, label=name) for name, color in color_of.items()]
    figure.legend(handles=marks, loc="outside lower center", ncols=max(1, len(marks)), frameon=False)
    _save(figure, path)


def draw_queries(results: Collected, path: pathlib.Path) -> None:
    """Top-1 against the share of right weak labels, a dot a seed, lines through the means."""
    arms = {
        name: {100 * share: results.arm("query", name, query_right=share) for share in (0.2, 0.4, 0.6, 1.0)}
        for name in ("weak", "agreement", "spl", "spl_b")
    }
    _draw_condition(arms, {"none": results.main("none")}, "queries that are right (%)", path)


def draw_teachers(results: Collected, path: pathlib.Path) -> None:
    """Top-1 against the part of the target set the teacher is trained on, a dot a seed, lines through the means."""
    arms = {
        name: {100 * share: results.arm("teacher", name, teacher_share=share) for share in (0.25, 0.5)}
        | {100: results.main(name)}
        for name in ("teacher", "agreement", "spl", "spl_b")
    }
    without_teacher = {name: results.main(name) for name in ("none", "weak")}
    _draw_condition(arms, without_teacher, "teacher's part of the target set (%)", path)


def _draw_condition(
    arms: dict[str, dict[float, Outcomes]], level: dict[str, Outcomes], xlabel: str, path: pathlib.Path
) -> None:
    """Strategy -> condition -> arm as lines; arms that no condition changes as dashed levels; of the seeds all have."""
    figure = _figure(6.5, 4)
    axes = figure.add_subplot(xlabel=xlabel, ylabel="top-1 (%)")
    for number, (name, at) in enumerate(arms.items()):
        aside = 0.8 * (number - (len(arms) - 1) / 2)  # Dots of different strategies would hide each other.
        points = {x + aside: 100 * arm.only(FEWER_SEEDS).values("top_1") for x, arm in at.items()}
        points = {x: top_1 for x, top_1 in points.items() if top_1.size}
        for x, top_1 in points.items():
            axes.plot([x] * len(top_1), top_1, "o", color=_COLORS[name], alpha=0.5, markersize=5, linewidth=0)
        if points:
            means = [top_1.mean() for top_1 in points.values()]
            axes.plot(list(points), means, "-_", color=_COLORS[name], label=name, markersize=10)
    for name, arm in level.items():
        if (top_1 := 100 * arm.only(FEWER_SEEDS).values("top_1")).size:
            axes.axhline(top_1.mean(), color=_COLORS[name], linestyle="--", linewidth=1, label=name)
    ticks = sorted({x for at in arms.values() for x in at})
    axes.set_xticks(ticks)
    axes.set_xlim(ticks[0] - 4, ticks[-1] + 4)
    figure.legend(loc="outside right upper", frameon=False)
    _save(figure, path)


def _figure(width: float, height: float) -> Figure:
    figure = Figure((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: pathlib.Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
