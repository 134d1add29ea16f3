"""Lists without a header, one `path label` a line, as mmaction2 and its relatives write them.

some/path/000.mp4 1          a video and its label, a class id or name
some/path/001.mp4 1 3        several labels
some/folder-1 163 1          a folder of frames, how many there are, its label or labels
some/path/000.mp4,1          the same with commas, semicolons or tabs
some/path/000.mp4            no label: enough for what is held out
"""

import csv
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

from spl_tf.data.file_kinds import is_video_or_image
from spl_tf.data.lists.csv_tables import PATH, text
from spl_tf.errors import UserError

_DELIMITERS = "\t,;"
# What follows a file's suffix is its label: names may have blanks in them.
_FILE_AND_REST = re.compile(r"(.*\.[A-Za-z0-9]{2,5})\s+(.*)")
_NUMBER = re.compile(r"\d+")


def is_plain_list(folder: pathlib.Path, lines: Sequence[str]) -> bool:
    """Whether the first line begins with a path: one with the suffix of a video or image, or one that is there."""
    first = next(filter(str.strip, lines), "").strip()
    path = _split(first)[0]
    return bool(path) and (is_video_or_image(path) or ("\0" not in path and os.path.lexists(folder / path)))


def plain_rows(path: pathlib.Path, lines: Sequence[str], label_column: str) -> list[dict[str, str]]:
    """One row per line: path and label, several labels joined by `|`.

    Raises:
      UserError: a line has more cells than a path and its labels, or each has a path and two numbers, of which the
        first may be a label or a count of frames.
    """
    rows, pairs, counted = [], 0, 0
    for number, line in _numbered(lines):
        listed, labels = _split(line)
        numbers = all(map(_NUMBER.fullmatch, labels))
        if len(labels) > 1 and not numbers:
            raise UserError(
                f"line {number} of {path} has {len(labels) + 1} cells: a list without a header has lines 'path label'; "
                "give other columns a header with path and label"
            )
        if len(labels) > 1 and os.path.isdir(path.parent / listed):
            labels, counted = labels[1:], counted + 1
        pairs += len(labels) == 2 and numbers
        rows.append({PATH: listed, label_column: "|".join(labels)})
    if rows and pairs == len(rows):
        raise UserError(
            f"every line of {path} is 'path number number': write 'path label' where the first is a count of frames, "
            "or 'path label|label' where both are labels"
        )
    if counted:
        print(f"{path}: {counted:,} counts of frames are not used: a folder's images are counted")
    return rows


def _numbered(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    return ((number, line.strip()) for number, line in enumerate(lines, 1) if line.strip())


def _split(line: str) -> tuple[str, list[str]]:
    """Path and labels of a line."""
    for delimiter in _DELIMITERS:
        cells = [text(cell) for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
        if len(cells) > 1 and is_video_or_image(cells[0]):
            return cells[0], list(filter(None, cells[1:]))
    if is_video_or_image(line):
        return text(line), []
    found = _FILE_AND_REST.fullmatch(line)
    path, rest = found.groups() if found else [*line.split(maxsplit=1), "", ""][:2]
    words = rest.split()
    # A class's name may be of several words.
    return text(path), words if all(map(_NUMBER.fullmatch, words)) else [text(rest)]
