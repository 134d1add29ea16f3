"""Pages of clip strips as PNG files: a captioned row of strips per class or cell."""

import dataclasses
import pathlib
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from spl_tf.data.thumbnails import BOX_HEIGHT, BOX_WIDTH, Strip
from spl_tf.files import atomic_path

PAGE_HEIGHT = 8000
"""Most pixels of a page; viewers and browsers show no more, or show it slowly."""

# Pixels.
_PAGE_WIDTH = 1840
_MARGIN = 12
_GAP = 8
_CAPTION = 30
_LABEL = 15
_DPI = 100
_POINT = 72 / _DPI
_INK, _GREY = "#222222", "#666666"


@dataclasses.dataclass(frozen=True)
class Row:
    """One class or cell on a page.

    Attributes:
      caption: above its strips.
      group: of the draw.
      first: number of the first strip of the group in this row.
      num_strips: in this row.
    """

    caption: str
    group: int
    first: int
    num_strips: int


def lay_out(captions: Sequence[str], sizes: Sequence[int], num_frames: int) -> list[list[Row]]:
    """Divides groups into pages of at most PAGE_HEIGHT pixels; a group too large for a page goes on on the next.

    Args:
      captions: one a group.
      sizes: strips of each group.
      num_frames: of a strip.
    """
    across = _strips_across(num_frames)
    most = (PAGE_HEIGHT - 2 * _MARGIN - _CAPTION) // _line_height() * across
    pages: list[list[Row]] = [[]]
    used = 2 * _MARGIN
    for group, (caption, size) in enumerate(zip(captions, sizes, strict=True)):
        for first in range(0, max(size, 1), most):
            row = Row(caption + " (continued)" * (first > 0), group, first, min(most, size - first))
            if used + _row_height(row, across) > PAGE_HEIGHT:
                pages.append([])
                used = 2 * _MARGIN
            pages[-1].append(row)
            used += _row_height(row, across)
    return pages


def draw_page(
    rows: Sequence[Row],
    strips: Sequence[Sequence[Strip]],
    label: Callable[[Strip], str],
    path: pathlib.Path,
    *,
    num_frames: int,
    families: Sequence[str],
) -> None:
    """Draws one page.

    Args:
      rows: of the page.
      strips: of each row; may be fewer than laid out.
      label: the line under a strip.
      path: a PNG file.
      num_frames: of a strip at most.
      families: fonts, see `spl_tf.fonts`.
    """
    across = _strips_across(num_frames)
    width = 2 * _MARGIN + across * (num_frames * BOX_WIDTH + _GAP) - _GAP
    height = 2 * _MARGIN + sum(_row_height(row, across) for row in rows)
    # A hundredth of a pixel more: matplotlib 3.8 makes 434 of 434.99...
    figure = Figure(figsize=((width + 0.01) / _DPI, (height + 0.01) / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)

    def write(text: str, x: int, middle: int, room: int, size: int, color: str) -> None:
        figure.text(
            x / width,
            1 - middle / height,
            _cut(text, int(room / (0.6 * size))),
            fontsize=size * _POINT,
            fontfamily=list(families),
            color=color,
            va="center_baseline",
            parse_math=False,
            clip_on=True,
            clip_box=Bbox.from_extents(x, 0, x + room, height),  # Letters may be wider than the average.
        )

    placed, top = [], _MARGIN
    for row, row_strips in zip(rows, strips, strict=True):
        write(row.caption, _MARGIN, top + _CAPTION // 2, width - 2 * _MARGIN, 17, _INK)
        for strip, (x, y) in zip(row_strips, _corners(top + _CAPTION, num_frames), strict=False):
            placed.append((strip.picture, x, y))
            write(label(strip), x, y + BOX_HEIGHT + _LABEL // 2, num_frames * BOX_WIDTH, 11, _GREY)
        top += _row_height(row, across)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # The caller tells the user.
        canvas.draw()
    # The figure is for the text: matplotlib would take seconds to place the pictures.
    page = np.array(canvas.buffer_rgba())[..., :3]
    for picture, x, y in placed:
        page[y : y + BOX_HEIGHT, x : x + picture.shape[1]] = picture
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", page[..., ::-1])[1].tobytes())


def _corners(top: int, num_frames: int) -> Iterator[tuple[int, int]]:
    """x and y of the strips of a row, line by line."""
    number, across = 0, _strips_across(num_frames)
    while True:
        line, column = divmod(number, across)
        yield _MARGIN + column * (num_frames * BOX_WIDTH + _GAP), top + line * _line_height()
        number += 1


def _strips_across(num_frames: int) -> int:
    return max(1, (_PAGE_WIDTH - 2 * _MARGIN + _GAP) // (num_frames * BOX_WIDTH + _GAP))


def _line_height() -> int:
    return BOX_HEIGHT + _LABEL + _GAP


def _row_height(row: Row, across: int) -> int:
    return _CAPTION + -(-row.num_strips // across) * _line_height()


def _cut(text: str, room: int) -> str:
    """At most `room` letters, wide ones counted twice; the end is kept: the time of a clip id stands there."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    most = room * len(text) // max(len(text) + wide, 1)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"
