"""Two figures of a labelled web set: the confusion matrix and the long tail of its classes (paper figures 8 and 7)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from spl_tf.files import Path, atomic_path
from spl_tf.fonts import font_families
from spl_tf.labels.label_map import FittedLabeller

_AGREE, _OTHER, _INK = "#2a5d9f", "#e08a3c", "#333333"

# Up to this many classes, each is named.
_LEGIBLE_CLASSES = 20
# For a character that no installed font has: matplotlib would draw the like, and warn at every drawing.
_NO_GLYPH = "□"
# The logarithmic scale starts here: smaller shares look alike.
_LEAST_SHARE = 1e-3
# A logarithmic count axis from this ratio of the largest class to the smallest.
_LOG_FROM = 100


def draw_confusion(confusion: np.ndarray, classes: Sequence[str], path: Path) -> None:
    """Draws the confusion matrix of weak labels and teacher predictions into a PNG file, as `confusion_figure`."""
    figure = confusion_figure(confusion, classes, rows="weak label (query)", columns="teacher's prediction")
    agreement = np.trace(confusion) / max(int(confusion.sum()), 1)
    title = f"{int(confusion.sum()):,} clips: query and teacher agree on {agreement:.1%}"
    figure.axes[0].set_title(title, loc="left")
    save_figure(figure, path)


def confusion_figure(confusion: np.ndarray, classes: Sequence[str], *, rows: str, columns: str) -> Figure:
    """A confusion matrix, coloured by the share of each row.

    Few classes: names, numbers and an even colour scale. Many: ids and a logarithmic scale, which
    shows a cell of a thousandth of its row as well as the diagonal.

    Args:
      confusion: int [N, N].
      classes: the N class names.
      rows, columns: what they are.
    """
    num_classes = len(classes)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    legible = num_classes <= _LEGIBLE_CLASSES
    side = float(np.clip(2.4 + 0.62 * num_classes, 4.8, 11))
    figure = new_figure(side * 1.16, side)
    axes = figure.add_subplot()
    norm = Normalize(0, 1) if legible else LogNorm(_LEAST_SHARE, 1, clip=True)
    image = axes.imshow(np.ma.masked_equal(shares, 0), cmap="GnBu", norm=norm, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02)
    bar.ax.yaxis.set_major_formatter(lambda share, position: f"{100 * share:.3g}%")
    bar.set_label("share of the row (white: none)")
    bar.outline.set_visible(False)
    axes.set_xlabel(columns)
    axes.set_ylabel(rows)
    if legible:
        _name_ticks(axes, range(num_classes), classes)
        names, families = in_fonts(classes)
        axes.set_yticks(range(num_classes), names, fontfamily=families, parse_math=False)
        _write_cells(axes, confusion, shares)
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")
    return figure


def pixels(figure: Figure) -> np.ndarray:
    """What a figure shows, RGB: uint8 [H, W, 3]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _write_cells(axes: Axes, confusion: np.ndarray, shares: np.ndarray) -> None:
    """Share and clips in every cell, light on dark cells."""
    size = 9 if len(confusion) <= 8 else 6
    for (row, column), share in np.ndenumerate(shares):
        if share:
            percent = f"{share:.0%}" if share >= 0.005 else "<1%"
            text = f"{percent}\n{_short(int(confusion[row, column]))}"
            color = "white" if share > 0.5 else _INK
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=size, linespacing=1.2)


def _name_ticks(axes: Axes, positions: Sequence[float] | np.ndarray, names: Sequence[str]) -> None:
    """Slanted class names below the axes, without tick marks."""
    texts, families = in_fonts(names)
    axes.set_xticks(
        positions, texts, fontfamily=families, rotation=40, ha="right", rotation_mode="anchor", parse_math=False
    )
    axes.tick_params(axis="x", length=0)


def in_fonts(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names as installed fonts can show them, and those fonts' families.

    Names have at most 32 characters: longer ones would leave no room for the picture.
    """
    cut = [name if len(name) <= 32 else f"{name[:31]}…" for name in names]
    families, missing = font_families(cut)
    return [name.translate(dict.fromkeys(map(ord, missing), _NO_GLYPH)) for name in cut], families


def _short(count: int) -> str:
    """A count in three digits: 950, 12.5k, 3.4M."""
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{float(f'{count / unit:.3g}'):g}{name}"
    return str(count)


def draw_long_tail(counts: np.ndarray, labeller: FittedLabeller, path: Path) -> None:
    """Draws clips per class into a PNG file, as `long_tail_figure`.

    Args:
      counts: int [number of classes], clips of each class.
      labeller: that made the classes.
      path: a PNG file.
    """
    is_diagonal = np.isin(np.arange(len(counts)), np.diag(labeller.table))
    title = f"{labeller.name}: {int(counts.sum()):,} clips in {len(counts):,} classes"
    save_figure(long_tail_figure(counts, labeller.class_names, is_diagonal, title), path)


def long_tail_figure(counts: np.ndarray, names: Sequence[str], is_diagonal: np.ndarray, title: str) -> Figure:
    """Clips per class, sorted: first the in-diagonal classes, then the off-diagonal ones.

    Args:
      counts: int [number of classes], clips of each class.
      names: of the classes.
      is_diagonal: bool, likewise.
      title: above the axes.
    """
    # By part, then by falling count.
    order = np.lexsort((-counts, ~is_diagonal))
    split = int(is_diagonal.sum())
    heights = counts[order]

    figure = new_figure(9, 4.4)
    axes = figure.add_subplot()
    legible = len(counts) <= _LEGIBLE_CLASSES
    handles = []
    for first, last, color, kind in ((0, split, _AGREE, "in-diagonal"), (split, len(counts), _OTHER, "off-diagonal")):
        if first == last:
            continue
        if legible:
            axes.bar(np.arange(first, last) + 0.5, heights[first:last], 0.8, color=color)
        else:
            axes.stairs(heights[first:last], np.arange(first, last + 1), fill=True, color=color)
        share = heights[first:last].sum() / max(int(counts.sum()), 1)
        handles.append(Patch(color=color, label=f"{last - first:,} {kind} classes, {share:.1%} of the clips"))
    if legible:
        _name_ticks(axes, np.arange(len(order)) + 0.5, [names[index] for index in order])
    else:
        axes.set_xlabel("classes, by falling number of clips")
    filled = heights[heights > 0]
    if len(filled) and filled.max() > _LOG_FROM * filled.min():
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.8)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, len(counts))
    axes.set_ylabel("clips")
    axes.yaxis.set_major_formatter(lambda value, position: _short(int(value)))
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left")
    if len(handles) > 1:
        figure.legend(handles=handles, frameon=False, loc="outside lower center", ncols=2)
    return figure


def new_figure(width: float, height: float) -> Figure:
    """A figure of its own canvas: pyplot's global state stays untouched."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", bbox_inches="tight", pad_inches=0.15)
