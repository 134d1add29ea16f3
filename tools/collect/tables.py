"""CSV tables in and out: UTF-8 with a header, separated by comma, semicolon or tab; whole or absent."""

import csv
import os
import pathlib
from collections.abc import Iterable, Sequence

from spl_tf import files
from spl_tf.data.lists import csv_tables
from spl_tf.errors import UserError


def read(path: str | pathlib.Path, needed: Sequence[str], flag: str) -> list[dict[str, str]]:
    """The rows of a CSV file, column name -> stripped text; absent cells are empty.

    Args:
      path: the file.
      needed: columns it must have.
      flag: the option that gave it, for messages.

    Raises:
      UserError: the file cannot be read as a table or lacks a column.
    """
    lines = csv_tables.read_lines(pathlib.Path(path), flag)
    delimiter = csv_tables.delimiter_of(lines, needed) or csv_tables.widest_delimiter(lines)
    columns, rows = csv_tables.table(pathlib.Path(path), lines, delimiter)
    for name in needed:
        if name not in columns:
            has = ", ".join(columns) or "no header"
            raise UserError(f"{path} has no column {name!r} (it has {has}): add it, or check {flag}")
    return list(rows)


def output_path(value: str, others: Sequence[str], inputs: Sequence[str]) -> pathlib.Path:
    """The option --output as a path.

    Args:
      value: of the option.
      others: suffixes of the files written beside it.
      inputs: files that are read, which must not be written over.

    Raises:
      UserError: it does not end in .csv (spl_tf.shard tells a manifest's format by that), or a written file is read.
    """
    path = pathlib.Path(value)
    if path.suffix.lower() != ".csv":
        raise UserError(f"--output={value} does not end in .csv: give it that ending")
    read_files = {os.path.realpath(name): name for name in inputs}
    for written in (path, *(path.with_suffix(suffix) for suffix in others)):
        if os.path.realpath(written) in read_files:
            raise UserError(f"{written} would be read and written over: rename it, or choose another --output")
    return path


def path_beside(path: str, output: pathlib.Path) -> str:
    """A file's path relative to the table that lists it.

    Without links on the way, `..` leads where it says; the file keeps its own name.
    """
    place = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return os.path.relpath(place, os.path.realpath(output.parent))


def write(path: pathlib.Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes the table in one go; None becomes an empty cell."""
    with files.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
