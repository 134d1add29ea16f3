"""The fullest cells off the diagonal, each with strips of a few of its clips: why query and teacher disagree."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from spl_tf.data.random_clips import cell_groups, draw_by_cell
from spl_tf.data.sidecars import Place, read_pairs
from spl_tf.data.thumbnails import Strip, read_strips
from spl_tf.report.cells import Matrix, clips, off_diagonal
from spl_tf.report.markup import Html, Section, element, section
from spl_tf.report.pictures import figure

_CELLS = 8
_CLIPS = 3
_FRAMES = 3


def confused_section(matrix: Matrix) -> Section:
    """Clips are drawn at random, the same ones every time."""
    cells = matrix.largest_errors(_CELLS)
    groups = cell_groups(off_diagonal(matrix.confusion), _CELLS)
    pairs = read_pairs(matrix.dataset, matrix.predictions)
    drawn = draw_by_cell(pairs, groups, len(cells), _CLIPS, np.random.default_rng(0))
    strips = _read(matrix, [place for places in drawn for place in places])
    parts = [_cell(matrix, cell, [(place, strips[place]) for place in drawn[groups[cell]]]) for cell in cells]
    text = f"Up to {_CLIPS} clips of each cell, drawn at random; {_FRAMES} frames of a clip, evenly spaced in time."
    return section("confused", "Most confused cells", element("p", text), element("div", *parts, class_="confused"))


def _read(matrix: Matrix, places: Sequence[Place]) -> dict[Place, Strip | None]:
    in_order = sorted(places, key=lambda place: (place.shard, place.row))
    strips = read_strips(matrix.dataset, in_order, _FRAMES)
    with tqdm(total=len(in_order), desc="report: clips", unit="clip", delay=1) as bar:
        found = {}
        for place, strip in zip(in_order, strips, strict=True):
            found[place] = strip
            bar.update()
    return found


def _cell(matrix: Matrix, cell: tuple[int, int], strips: Sequence[tuple[Place, Strip | None]]) -> Html:
    weak, teacher = cell
    query, seen = matrix.classes[weak], matrix.classes[teacher]
    count = f"{clips(int(matrix.confusion[cell]))}, {matrix.share_of_row(weak, teacher):.1%} of the query"
    fates = [element("li", element("b", of.name), f": {of.fate(weak, teacher)}") for of in matrix.fates]
    shown = [_figure(place, strip, query, seen) for place, strip in strips if strip]
    if len(shown) < len(strips):
        text = f"{len(strips) - len(shown)} of {len(strips)} drawn clips can't be read: their shard is gone or damaged."
        shown.append(element("p", text, class_="note"))
    return element(
        "article",
        element("h3", f"{query} queried, {seen} seen"),
        element("p", count),
        *shown,
        element("ul", *fates, class_="fates"),
        data_cell=f"{weak},{teacher}",
    )


def _figure(place: Place, strip: Strip, query: str, seen: str) -> Html:
    alt = f"Frames of a clip found by {query}, in which the teacher sees {seen}"
    return figure(strip.picture, alt, f"{strip.clip_id}, confidence {place.confidence:.2f}")
