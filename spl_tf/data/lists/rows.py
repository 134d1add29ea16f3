"""The rows of a list of videos: a CSV or JSONL file, a list without a header, or a folder of folders."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

from spl_tf.data.lists.class_folders import class_folder_rows
from spl_tf.data.lists.csv_tables import PATH, delimiter_of, read_lines, table, widest_delimiter
from spl_tf.data.lists.plain_lists import is_plain_list, plain_rows
from spl_tf.errors import UserError

VIDEO_ID = "video_id"
ADDRESS = "address"


def read_rows(
    path: pathlib.Path, flag: str = "--manifest", label_column: str = "label", *, with_frame_folders: bool = False
) -> Iterator[dict[str, Any]]:
    """The rows of a list, column name -> text (in JSONL any value, see `csv_tables.text`).

    Args:
      path: a CSV file, separated by comma, semicolon or tab, with a header that has `path`, `video_id` or
        `address`; a JSONL file (`.jsonl`, `.json`); a list without a header, see `plain_lists`; or a folder whose
        subfolders are named by class, see `class_folders`.
      flag: the option that gave it, for messages.
      label_column: gets the label where the list does not name its columns.
      with_frame_folders: in a folder, a folder of images is a row.

    Raises:
      UserError: there is no such file, or it cannot be read as a table.
    """
    if path.is_dir():
        yield from class_folder_rows(path, label_column, with_frame_folders=with_frame_folders)
        return
    lines = read_lines(path, flag)
    if path.suffix.lower() in (".jsonl", ".json"):
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _json_row(path, number, line)
        return
    delimiter = delimiter_of(lines, (PATH, VIDEO_ID, ADDRESS))
    if delimiter is None and is_plain_list(path.parent, lines):
        yield from plain_rows(path, lines, label_column)
    else:
        yield from table(path, lines, delimiter or widest_delimiter(lines))[1]


def _json_row(path: pathlib.Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError alone for a number of thousands of digits.
        raise UserError(f"line {number} of {path} is not JSON ({error}): give one object per line") from error
    if not isinstance(row, dict):
        raise UserError(f"line {number} of {path} is not a JSON object: give one object per line")
    return row
