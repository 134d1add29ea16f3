"""A list of videos with one label a row, and which of its rows are of one video."""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from spl_tf.data.lists.csv_tables import PATH, text
from spl_tf.data.lists.labels import class_ids, texts, unknown_label
from spl_tf.data.lists.rows import VIDEO_ID, read_rows
from spl_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class LabelledList:
    """Rows with a label each.

    A unit is what gets one label: all rows of one video that have one label. Rows are of one video where they share
    `path` or `video_id`. Units are in the order of the paths of their videos, whatever the order of the rows.

    Attributes:
      columns: of the list.
      rows: column -> text.
      classes: N names.
      units: [rows], the unit of each row.
      truth: int32 [units], the class id of each.
    """

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    classes: tuple[str, ...]
    units: np.ndarray
    truth: np.ndarray


def read_texts(path: pathlib.Path, label_column: str = "label") -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Columns and rows of --list, as spl_tf.shard reads it; several texts in a cell of JSONL are joined by `|`.

    Raises:
      UserError: it cannot be read, or has no rows or no column `path`.
    """
    read = list(read_rows(path, "--list", label_column))
    columns = tuple(dict.fromkeys(column for row in read for column in row if column))
    if PATH not in columns:
        has = f"no column {PATH!r} (it has {', '.join(columns)})" if read else "no rows"
        raise UserError(f"{path} has {has}: give one video a row with its path, or check --list")
    return columns, [{column: _cell(row.get(column)) for column in columns} for row in read]


def read_labelled_list(path: pathlib.Path, label_column: str, classes: Sequence[str] | None) -> LabelledList:
    """Reads a list for --list.

    Args:
      path: of the list.
      label_column: its column with the label.
      classes: ordered names, whose ids the labels may be as well; None takes the labels themselves, sorted.

    Raises:
      UserError: it cannot be read, or a row has no path, or not one label that is a class.
    """
    columns, rows = read_texts(path, label_column)
    if label_column not in columns:
        raise UserError(
            f"{path} has no column {label_column!r} (it has {', '.join(columns)}): add it, or see --label_column"
        )
    labels = [texts(row[label_column], classes or ()) for row in rows]
    faults: dict[str, list[int]] = collections.defaultdict(list)
    for number, (row, names) in enumerate(zip(rows, labels, strict=True), 1):
        if not row[PATH]:
            faults["no path"].append(number)
        elif len(names) != 1:
            faults["several labels" if names else "no label"].append(number)
    for fault, numbers in faults.items():
        raise UserError(
            f"{len(numbers)} rows of {path} have {fault}, row {numbers[0]} first: give each a path and one label, or "
            "remove them"
        )
    names = [name for (name,) in labels]
    classes = tuple(classes) if classes else tuple(sorted(set(names), key=_by_number))
    ids = class_ids(set(names), classes, path)
    if unknown := [name for name in names if name not in ids]:
        raise UserError(
            f"{len(unknown)} rows of {path} have a label that is no class, {unknown_label(unknown[0], ids, classes)} "
            "first: see --classes and --label_column, or remove them"
        )
    units, truth = _units(_videos(rows), [ids[name] for name in names])
    return LabelledList(columns, rows, classes, units, truth)


def _cell(value: object) -> str:
    return "|".join(texts(value)) if isinstance(value, list) else text(value)


def _by_number(name: str) -> tuple[int, str]:
    return (int(name) if name.isdecimal() else -1, name)


def _videos(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The video of each row, by the first path, in the order of characters, of all rows linked to it."""
    linked: dict[tuple[str, str], tuple[str, str]] = {}

    def root(name: tuple[str, str]) -> tuple[str, str]:
        while (above := linked.setdefault(name, name)) != name:
            linked[name] = name = linked[above]
        return name

    paths = [(PATH, os.path.normpath(row[PATH])) for row in rows]
    for path, row in zip(paths, rows, strict=True):
        if row.get(VIDEO_ID):
            linked[root((VIDEO_ID, row[VIDEO_ID]))] = root(path)
    first: dict[tuple[str, str], str] = {}
    for path in sorted(paths):
        first.setdefault(root(path), path[1])
    return [first[root(path)] for path in paths]


def _units(videos: Sequence[str], labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The unit of each row, and the label of each unit."""
    pairs = list(zip(videos, labels, strict=True))
    order = sorted(set(pairs))
    places = {pair: place for place, pair in enumerate(order)}
    return np.array([places[pair] for pair in pairs]), np.array([label for _, label in order], np.int32)
