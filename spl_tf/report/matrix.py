"""The matrix of queries and teacher's predictions as a heat map whose cells say what became of them.

Up to 60 classes it is a grid of real cells, which a keyboard and a screen reader walk through. Beyond, it is one
picture, as 40,000 cells of HTML would stall a browser; its cells are read out all the same. `script.js` does both.
"""

import base64
import json
from collections.abc import Sequence

import cv2
import numpy as np

from spl_tf.labels.confusion import noise_ratio
from spl_tf.labels.query_agreement import query_agreement
from spl_tf.report.cells import CellFates, Matrix, clips
from spl_tf.report.markup import Html, Section, element, scrolling, section, table

GRID_CLASSES = 60
# Beyond, the numbers of all cells would make the page too large: only the picture and the largest cells are shown.
_READ_OUT_CLASSES = 500
_NUMBERED_CLASSES = 12
_LARGEST = 20
_FLAGGED = 12

# Shares of the heat's colour, light and dark, from which black letters give way to white, or white ones to black.
_DEEP, _MIDDLE = 0.745, 0.55
# A picture's heat can't follow the page's scheme: it is one that shows on both. Black letters suit it on light pages
# always, on dark ones from this share.
_PICTURE_HEAT = (47, 127, 209)
_PICTURE_MIDDLE = 0.93


def matrix_section(matrix: Matrix) -> Section:
    num_classes = len(matrix.classes)
    agreement = 1 - noise_ratio(matrix.confusion)
    text = (
        f"{int(matrix.confusion.sum()):,} web clips by query (rows) and by what the teacher of seed {matrix.seed} sees "
        f"in them (columns): they agree on {agreement:.1%}. Colours show the share of the query's clips."
    )
    is_grid = num_classes <= GRID_CLASSES
    picture = scrolling(_grid(matrix), "Matrix of queries and predictions") if is_grid else _overview(matrix)
    content = [element("p", text), *_flagged(matrix), _scale(is_grid)]
    if num_classes <= _READ_OUT_CLASSES:
        hint = "Point at a cell, or move to the matrix with Tab and in it with the arrow keys."
        readout = element(
            "div", element("p", hint, class_="note"), id="cell-readout", role="status", aria_live="polite"
        )
        content += [element("div", picture, readout, class_="matrix"), _data(matrix)]
    else:
        text = f"Above {_READ_OUT_CLASSES} classes cells can't be pointed at; the largest are listed below."
        content += [element("p", text, class_="note"), element("div", picture, class_="matrix")]
    return section("matrix", "Queries and predictions", *content, _largest(matrix))


def _flagged(matrix: Matrix) -> list[Html]:
    """Queries that say nothing, see `spl_tf.labels.query_agreement`."""
    names = [row.name for row in query_agreement(matrix.confusion, matrix.classes) if row.flagged]
    if not names:
        return []
    more = f" and {len(names) - _FLAGGED} more" if len(names) > _FLAGGED else ""
    text = f"Queries with which the teacher agrees no more often than by chance: {', '.join(names[:_FLAGGED])}{more}."
    return [element("p", text, id="flagged-queries")]


def _heat(shares: float | np.ndarray) -> np.float64 | np.ndarray:
    """How strong a cell's colour is, 0 to 1: the root of its share, which tells small shares apart."""
    return np.sqrt(shares)


def _shares(matrix: Matrix) -> np.ndarray:
    return matrix.confusion / np.maximum(matrix.confusion.sum(axis=1, keepdims=True), 1)


def _scale(is_grid: bool) -> Html:
    """The key: of the page's colours for the grid, of the picture's for the overview."""
    steps = []
    for share in (0.01, 0.05, 0.1, 0.25, 0.5, 1.0):
        heat = float(_heat(share))
        letters = _letters(heat) if is_grid else "middle" if heat > _PICTURE_MIDDLE else None
        steps.append(element("li", _percent(share), style=f"--heat-share:{heat:.2f}", class_=letters))
    style = None if is_grid else "--heat: {} {} {}".format(*_PICTURE_HEAT)
    return element("ul", *steps, class_="scale", aria_label="Colours of the shares", style=style)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 or not share else "<1%"


def _letters(heat: float) -> str | None:
    return "deep" if heat > _DEEP else "middle" if heat > _MIDDLE else None


def _grid(matrix: Matrix) -> Html:
    shares = _shares(matrix)
    numbered = len(matrix.classes) <= _NUMBERED_CLASSES
    names = [element("th", element("span", name), scope="col", role="columnheader") for name in matrix.classes]
    header = element("tr", element("td"), *names, role="row")
    rows = []
    for weak, query in enumerate(matrix.classes):
        cells = [element("th", query, scope="row", role="rowheader")]
        for teacher, seen in enumerate(matrix.classes):
            share, count = float(shares[weak, teacher]), int(matrix.confusion[weak, teacher])
            heat = float(_heat(share))
            cells.append(
                element(
                    "td",
                    _percent(share) if numbered and count else "",
                    role="gridcell",
                    tabindex=-1 if weak or teacher else 0,
                    data_cell=f"{weak},{teacher}",
                    class_=_letters(heat),
                    style=f"--heat-share:{heat:.2f}" if count else None,
                    aria_label=f"{query} queried, {seen} seen: {clips(count)}, {share:.1%} of the query",
                )
            )
        rows.append(element("tr", *cells, role="row"))
    caption = element("caption", "Rows: query. Columns: teacher's prediction.")
    kind = "grid numbered" if numbered else "grid"
    body = (element("thead", header), element("tbody", *rows))
    return element("table", caption, *body, id="matrix-grid", role="grid", class_=kind, data_size=len(matrix.classes))


def _overview(matrix: Matrix) -> Html:
    """One pixel a cell. The heat is the colour and its strength the opacity: it suits light and dark pages."""
    size = len(matrix.classes)
    pixels = np.empty((size, size, 4), np.uint8)
    pixels[..., :3] = _PICTURE_HEAT[::-1]
    pixels[..., 3] = np.rint(255 * _heat(_shares(matrix)))
    content = cv2.imencode(".png", pixels)[1].tobytes()
    address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    alt = f"Heat map of {size} x {size} cells, queries from top to bottom, predictions from left to right"
    picture = element("img", src=address, alt=alt, width=size, height=size)
    readable = size <= _READ_OUT_CLASSES
    box = element(
        "div",
        picture,
        element("span", class_="cross", hidden="", aria_hidden="true"),
        id="matrix-overview",
        data_size=size,
        tabindex=0 if readable else None,
        role="application" if readable else None,
        aria_label=f"{alt}. The arrow keys move from cell to cell." if readable else None,
        aria_describedby="cell-readout" if readable else None,
    )
    return element("div", box, element("p", "Rows: query. Columns: teacher's prediction.", class_="note"))


def _largest(matrix: Matrix) -> Html:
    cells = matrix.largest_errors(_LARGEST)
    if not cells:
        return Html("")
    columns = {"query": "Query", "seen": "Teacher sees", "clips": "Clips", "share": "Of the query (%)"}
    columns |= {f"fate-{fates.name}": fates.name for fates in matrix.fates}
    rows = [
        [
            matrix.classes[weak],
            matrix.classes[teacher],
            f"{matrix.confusion[weak, teacher]:,}",
            f"{100 * matrix.share_of_row(weak, teacher):.1f}",
            *(str(fates.fate(weak, teacher)) for fates in matrix.fates),
        ]
        for weak, teacher in cells
    ]
    words = ("seen", *(f"fate-{fates.name}" for fates in matrix.fates))
    caption = f"The {len(cells)} most frequent cells off the diagonal, and what every strategy made of them"
    return table("largest-cells", caption, columns, rows, texts=words)


def _data(matrix: Matrix) -> Html:
    """All cells for the script, as base64 of little-endian numbers of 1, 2 or 4 bytes in the order of the rows."""
    content = {
        "classes": matrix.classes,
        "counts": _packed(matrix.confusion),
        "strategies": [_fates_data(fates, matrix.classes, matrix.confusion) for fates in matrix.fates],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return element("script", Html(text), id="matrix-data", type="application/json")


def _fates_data(fates: CellFates, classes: Sequence[str], confusion: np.ndarray) -> dict[str, object]:
    """`codes` are positions in `fates`, pairs of kind and name; the name null is that of the cell, query|prediction."""
    known: dict[tuple[str, str | None], int] = {}
    codes = np.zeros(confusion.shape, np.int64)
    for weak, teacher in np.argwhere(confusion).tolist():
        fate = fates.fate(weak, teacher)
        own = weak != teacher and fate.name == f"{classes[weak]}|{classes[teacher]}"
        codes[weak, teacher] = known.setdefault((fate.kind, None if own else fate.name), len(known))
    partly = (fates.kept < confusion) & (fates.labels >= 0)
    return {
        "name": fates.name,
        "fates": list(known),
        "codes": _packed(codes),
        "kept": _packed(fates.kept) if partly.any() else None,
    }


def _packed(numbers: np.ndarray) -> str:
    kind = np.min_scalar_type(int(numbers.max())).newbyteorder("<")
    return base64.b64encode(numbers.astype(kind).tobytes()).decode()
