"""Manifests of clean videos, and parts of them."""

import collections
import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf import files
from spl_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Row:
    """A video and its class; the path is absolute, so that the row can move to another manifest."""

    path: str
    label: str


def read(manifest: pathlib.Path) -> list[Row]:
    """Reads a list with the columns path (relative to it) and label.

    Raises:
      UserError: the file is missing or lacks a column.
    """
    if not manifest.is_file():
        raise UserError(f"{manifest} does not exist: see tools/ucf6/README.md")
    with open(manifest, newline="", encoding="utf-8") as opened:
        reader = csv.DictReader(opened)
        if not {"path", "label"} <= set(reader.fieldnames or ()):
            raise UserError(f"{manifest} has no columns path and label")
        return [Row(str((manifest.parent / row["path"]).resolve()), row["label"]) for row in reader]


def write(path: pathlib.Path, rows: Sequence[Row]) -> None:
    """Writes a list that `read` reads."""
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["path", "label"])
        writer.writerows(dataclasses.astuple(row) for row in rows)


def draw_share(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """The wanted share of every class' videos, in their order; a smaller share is part of a larger one.

    Args:
      rows: of a manifest.
      share: in (0, 1]; the count is rounded, at least one video a class.
      seed: of the draw.
    """
    by_class = collections.defaultdict(list)
    for number, row in enumerate(rows):
        by_class[row.label].append(number)
    generator = np.random.default_rng(seed)
    kept = set()
    for numbers in by_class.values():
        kept.update(generator.permutation(numbers)[: max(1, round(share * len(numbers)))].tolist())
    return [row for number, row in enumerate(rows) if number in kept]


def write_best_ranked(manifest: pathlib.Path, share: float, path: pathlib.Path) -> None:
    """Writes a web list with the wanted share of each query's videos, those of the first ranks, in the list's order.

    Args:
      manifest: with the columns path (relative to it), query and maybe rank; without it the order is the rank.
      share: in (0, 1]; the count is rounded, at least one video a query.
      path: the new list; its paths are absolute.
    """
    with open(manifest, newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    by_query = collections.defaultdict(list)
    for number, row in enumerate(rows):
        by_query[row["query"]].append(number)
    kept = set()
    for numbers in by_query.values():
        numbers.sort(key=lambda number: int(rows[number].get("rank") or 0))
        kept.update(numbers[: max(1, round(share * len(numbers)))])
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        for number, row in enumerate(rows):
            if number in kept:
                writer.writerow(row | {"path": str((manifest.parent / row["path"]).resolve())})
