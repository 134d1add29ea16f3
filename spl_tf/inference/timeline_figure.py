"""A strip of a video's scores: classes over time."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from spl_tf.files import Path
from spl_tf.labels.figures import in_fonts, new_figure, save_figure

MOST_CLASSES = 15
# More windows than these are drawn by the highest score of some that follow each other.
_MOST_COLUMNS = 1500


def draw_timeline(path: Path, seconds: np.ndarray, scores: np.ndarray, classes: Sequence[str], title: str) -> None:
    """Draws a PNG file: a row a class, coloured by its score; of many classes those with the highest scores.

    Args:
      path: the file.
      seconds: float [W], middles of the windows, evenly spaced.
      scores: float [W, N], 0 to 1.
      classes: the N class names.
      title: above the picture.
    """
    # Peaks first, ties by class id; then in the order of the classes.
    shown = np.sort(np.argsort(-scores.max(axis=0), kind="stable")[:MOST_CLASSES])
    together = -(-len(scores) // _MOST_COLUMNS)
    columns = np.maximum.reduceat(scores[:, shown], np.arange(0, len(scores), together)).T
    half = (seconds[1] - seconds[0]) / 2 if len(seconds) > 1 else seconds[0] or 0.5

    figure = new_figure(12, 1.6 + 0.3 * len(shown))
    axes = figure.add_subplot()
    extent = (seconds[0] - half, seconds[0] + half * (2 * together * columns.shape[1] - 1), len(shown) - 0.5, -0.5)
    image = axes.imshow(columns, cmap="GnBu", vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=extent)
    axes.set_xlim(seconds[0] - half, seconds[-1] + half)
    bar = figure.colorbar(image, ax=axes, fraction=0.025, pad=0.01)
    bar.set_label("score")
    bar.outline.set_visible(False)
    names, families = in_fonts([classes[number] for number in shown])
    axes.set_yticks(range(len(shown)), names, fontfamily=families, parse_math=False)
    axes.tick_params(axis="y", length=0)
    if seconds[-1] > 60:  # 30 s, 1, 2, 3, 5, 10, 20, 30 minutes, 1 and 2 hours.
        axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 1.2, 1.8, 3, 3.6, 6, 7.2, 10]))
    axes.xaxis.set_major_formatter(lambda value, position: clock(value))
    axes.set_xlabel("middle of the window")
    texts, families = in_fonts([title])
    hidden = "" if len(shown) == len(classes) else f": {len(shown)} of {len(classes):,} classes, by their highest score"
    axes.set_title(texts[0] + hidden, loc="left", fontfamily=families, parse_math=False)
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")
    save_figure(figure, path)


def clock(seconds: float) -> str:
    """Seconds as a player shows them: 0:07, 1:02:03; with a tenth where there is one."""
    tenths = round(10 * abs(seconds))
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    fraction = f".{rest % 10}" if rest % 10 else ""
    return f"{'-' if seconds < 0 and tenths else ''}{text}:{rest // 10:02}{fraction}"
