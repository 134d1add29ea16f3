"""The paper's figures of a set: classes and labels (figure 1), entities (figure 2), places (figure 4)."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spl_tf.labels.figures import in_fonts, new_figure

_BLUE, _GREY = "#2a5d9f", "#d9d9d9"
# Cells of the map, degrees.
MAP_STEP = 0.5


def labels_and_videos_figure(videos_per_class: Sequence[int], labels_per_video: Mapping[int, int]) -> Figure:
    """Videos of each class by falling number, and videos by number of labels; both counts on a logarithmic scale.

    Args:
      videos_per_class: of each class; those without a video are not drawn.
      labels_per_video: labels -> videos; videos without a label are not drawn.
    """
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    sizes = np.sort([size for size in videos_per_class if size])[::-1]
    left.stairs(sizes, np.arange(len(sizes) + 1), fill=True, color=_BLUE)
    left.set_xlabel("classes, by falling number of videos")
    left.set_ylabel("videos")
    left.set_title(f"{len(sizes):,} classes", loc="left")
    numbers = sorted(number for number in labels_per_video if number)
    right.bar(numbers, [labels_per_video[number] for number in numbers], 1.0, color=_BLUE)
    right.set_xlabel("labels of a video")
    right.set_title(f"{sum(labels_per_video[number] for number in numbers):,} videos with labels", loc="left")
    for axes, most in ((left, max(len(sizes), 1)), (right, max(numbers, default=1))):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.8)
        axes.set_xlim(0, most + (axes is right))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain(axes, "y")
    return figure


def entities_figure(per_entity: Mapping[str, int], videos: int) -> Figure:
    """One bar an entity with the share of the videos that have it, in the order given.

    Args:
      per_entity: entity -> videos.
      videos: that were scored.
    """
    figure = new_figure(7, 1.2 + 0.26 * len(per_entity))
    axes = figure.add_subplot()
    places = np.arange(len(per_entity))
    axes.barh(places, list(per_entity.values()), 0.75, color=_BLUE)
    names, families = in_fonts(list(per_entity))
    axes.set_yticks(places, names, fontfamily=families, parse_math=False)
    for place, count in zip(places, per_entity.values(), strict=True):
        axes.annotate(f" {count / max(videos, 1):.1%}", (count, place), va="center", fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("videos; a video may have several entities")
    axes.set_title(f"{videos:,} scored videos", loc="left")
    _plain(axes, "x")
    return figure


def map_figure(places: np.ndarray, land: np.ndarray) -> Figure:
    """Where the videos are, in red on grey countries, each degree as wide as high.

    Args:
      places: float64 [2, P], latitudes and longitudes in degrees.
      land: bool [H, W], what is grey, from north west.
    """
    cells = 180 / MAP_STEP, 360 / MAP_STEP
    rows = ((90 - places[0]) / MAP_STEP).astype(int).clip(0, int(cells[0]) - 1)
    columns = ((places[1] + 180) / MAP_STEP).astype(int).clip(0, int(cells[1]) - 1)
    counts = np.zeros((int(cells[0]), int(cells[1])), np.int64)
    np.add.at(counts, (rows, columns), 1)
    figure = new_figure(11, 5.4)
    axes = figure.add_subplot()
    extent = (-180, 180, -90, 90)
    axes.imshow(np.ma.masked_equal(land, False), ListedColormap([_GREY]), extent=extent, interpolation="nearest")
    norm = LogNorm(1, max(int(counts.max()), 10))
    # From a red that is seen on grey, not from white.
    colours = ListedColormap([(0.98 - 0.53 * x, 0.42 - 0.42 * x, 0.35 - 0.30 * x) for x in np.linspace(0, 1, 256)])
    image = axes.imshow(np.ma.masked_equal(counts, 0), colours, norm, extent=extent, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, fraction=0.025, pad=0.02)
    bar.set_label(f"videos in {MAP_STEP:g}° x {MAP_STEP:g}°")
    bar.outline.set_visible(False)
    axes.set_xticks(range(-180, 181, 60), [f"{degrees}°" for degrees in range(-180, 181, 60)])
    axes.set_yticks(range(-90, 91, 30), [f"{degrees}°" for degrees in range(-90, 91, 30)])
    axes.set_title(f"{places.shape[1]:,} videos with coordinates", loc="left")
    axes.spines[:].set_color(_GREY)
    return figure


def _plain(axes: Axes, direction: Literal["x", "y"]) -> None:
    axes.grid(axis=direction, color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
