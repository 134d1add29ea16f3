"""Small charts as inline SVG: lines over two axes, and pictures for a table's cell. Colours are the style sheet's."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from spl_tf.report.markup import Html, element

_WIDTH, _HEIGHT = 440, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 20, 12, 46
_CELL_WIDTH, _CELL_HEIGHT = 120, 18
_MARGIN = 6
_COLOURS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart.

    Attributes:
      name: for the legend.
      x, y: of its points.
      colour: its number; None for the ink's.
      marks: whether points are marked.
      line: whether they are joined.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: int | None
    marks: bool = False
    line: bool = True


@dataclasses.dataclass(frozen=True)
class Axis:
    """A range of values, even or logarithmic, and its end points in the picture."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def position(self, value: float) -> float:
        low, high, value = (math.log10(number) if self.log else number for number in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            multiples = (1, 2, 5) if len(decades) <= 3 else (1,)
            ticks = self._inside([multiple * 10.0**decade for decade in decades for multiple in multiples])
            if len(ticks) > 1:
                return ticks
        # Also where a logarithmic axis is too short for 1, 2 and 5: on that, even steps look nearly even.
        return self._inside(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high))

    def _inside(self, ticks: Sequence[float]) -> list[float]:
        slack = 1e-9 * (self.high - self.low)
        return [float(tick) for tick in ticks if self.low - slack <= tick <= self.high + slack]


def line_chart(
    identity: str,
    title: str,
    series: Sequence[Series],
    *,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    log_y: bool = False,
    y_limits: tuple[float, float] | None = None,
    percent: bool = False,
) -> Html:
    """A figure of lines with its legend.

    Args:
      identity: the figure's id; its lines carry their names as data-series.
      title: its heading, and what a screen reader says.
      series: at least one point in all; on a logarithmic axis every value is above 0.
      x_title, y_title: of the axes.
      log_x, log_y: whether an axis is logarithmic.
      y_limits: of the vertical axis; None for those of the data.
      percent: whether the vertical values are shares.
    """
    x_values = [float(x) for one in series for x in one.x]
    y_values = [float(y) for one in series for y in one.y]
    x_axis = _axis((min(x_values), max(x_values)), _LEFT, _WIDTH - _RIGHT, log_x)
    y_axis = _axis(y_limits or (min(y_values), max(y_values)), _HEIGHT - _BOTTOM, _TOP, log_y)
    parts = [element("title", title)]
    for tick in y_axis.ticks():
        y = f"{y_axis.position(tick):.1f}"
        parts.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="rule"))
        text = f"{100 * tick:g} %" if percent else short(tick)
        parts.append(element("text", text, x=_LEFT - 7, y=y, dy="0.35em", text_anchor="end"))
    for tick in x_axis.ticks():
        x = f"{x_axis.position(tick):.1f}"
        parts.append(element("text", short(tick), x=x, y=_HEIGHT - _BOTTOM + 17, text_anchor="middle"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(element("text", x_title, x=middle, y=_HEIGHT - 8, text_anchor="middle", class_="axis"))
    parts += [_drawn(one, x_axis, y_axis) for one in series]
    drawing = element("svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=f"{title}. {y_title}.")
    heading = element("figcaption", element("b", title), " ", element("span", y_title))
    return element("figure", heading, drawing, _legend(series), id=identity, class_="chart")


def short(number: float) -> str:
    """A tick's number: 950, 12.5k, 3M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(number) >= unit:
            return f"{number / unit:g}{name}"
    return f"{number:g}"


def dots(values: Sequence[float], low: float, high: float, colour: int) -> Html:
    """One dot a value on the scale from `low` to `high`, and a tick at their mean: a table cell's picture."""
    axis = Axis(low, high, _MARGIN, _CELL_WIDTH - _MARGIN, log=False)
    mean = f"{axis.position(sum(values) / len(values)):.1f}"
    parts = [_rail(), element("line", x1=mean, x2=mean, y1=2, y2=16, class_="tick")]
    parts += [element("circle", cx=f"{axis.position(value):.1f}", cy=9, r=3.2) for value in values]
    return _in_cell(parts, colour)


def whisker(points: float, low: float, high: float, reach: float, colour: int) -> Html:
    """A value and its interval on the scale from -`reach` to `reach`, with a line at 0: a table cell's picture."""
    axis = Axis(-reach, reach, _MARGIN, _CELL_WIDTH - _MARGIN, log=False)
    middle = _CELL_WIDTH // 2
    parts = [
        _rail(),
        element("line", x1=middle, x2=middle, y1=0, y2=18, class_="zero"),
        element("line", x1=f"{axis.position(low):.1f}", x2=f"{axis.position(high):.1f}", y1=9, y2=9, class_="span"),
        element("circle", cx=f"{axis.position(points):.1f}", cy=9, r=3.6),
    ]
    return _in_cell(parts, colour)


def stacked_bar(shares: Sequence[tuple[str, float]]) -> Html:
    """Parts of a whole, (class of the style sheet, share): a table cell's picture."""
    parts, start = [], 0.0
    for kind, share in shares:
        parts.append(element("rect", x=f"{100 * start:.2f}", y=0, width=f"{100 * share:.2f}", height=10, class_=kind))
        start += share
    return element("svg", *parts, class_="bar", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def _in_cell(parts: Sequence[Html], colour: int) -> Html:
    size = {"viewBox": f"0 0 {_CELL_WIDTH} {_CELL_HEIGHT}", "width": _CELL_WIDTH, "height": _CELL_HEIGHT}
    return element("svg", *parts, class_=f"cell {_colour(colour)}", aria_hidden="true", **size)


def _rail() -> Html:
    return element("line", x1=0, x2=_CELL_WIDTH, y1=9, y2=9, class_="rule")


def _colour(number: int | None) -> str:
    return "series ink" if number is None else f"series s{number % _COLOURS}"


def _axis(limits: tuple[float, float], start: float, end: float, log: bool) -> Axis:
    low, high = limits
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return Axis(low, high, start, end, log)


def _drawn(one: Series, x_axis: Axis, y_axis: Axis) -> Html:
    points = [(x_axis.position(float(x)), y_axis.position(float(y))) for x, y in zip(one.x, one.y, strict=True)]
    parts = []
    if one.line:
        parts.append(element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points)))
    if one.marks or len(points) == 1:
        parts += [element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=2.6) for x, y in points]
    return element("g", *parts, class_=_colour(one.colour), data_series=one.name)


def _legend(series: Sequence[Series]) -> str:
    if len(series) < 2:
        return Html("")
    items = [
        element("li", element("span", class_=f"swatch {_colour(one.colour)}", aria_hidden="true"), one.name)
        for one in series
    ]
    return element("ul", *items, class_="legend")
