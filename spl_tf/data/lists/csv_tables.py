"""CSV tables: separated by comma, semicolon or tab, with a header; no row is lost to a quote that never ends.

Python's own reader takes a quote that is never closed for a cell that goes on to the end of the file, rows and all.
"""

import csv
import pathlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from spl_tf.data.file_kinds import is_video_or_image
from spl_tf.errors import UserError

PATH = "path"
_DELIMITERS = ",;\t"
_MEND = "close every quoted cell, and write a quote inside of one twice"


def text(value: Any) -> str:
    """A cell as text; half a surrogate pair (JSON can hold one) is spelled out, since no file can.

    A list or an object, which JSON can nest deeper than it can be written, is only called so.
    """
    if isinstance(value, list | dict):
        return f"({type(value).__name__})"
    return "" if value is None else str(value).strip().encode(errors="backslashreplace").decode()


def read_lines(path: pathlib.Path, flag: str) -> list[str]:
    """The lines of a text file, each with its end.

    Raises:
      UserError: it is no file, or no UTF-8 text.
    """
    if not path.is_file():  # A named pipe would be waited for.
        raise UserError(f"{path} is no file: check {flag}")
    try:
        with open(path, encoding="utf-8-sig", newline="") as opened:
            return opened.readlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: save it as a UTF-8 CSV or JSONL file") from error


def delimiter_of(lines: Sequence[str], known: Collection[str]) -> str | None:
    """What separates the cells of a header that has one of the known columns; None where there is no such header."""
    for delimiter in _DELIMITERS:
        if set(known) & set(_first_cells(lines, delimiter)):
            return delimiter
    return None


def widest_delimiter(lines: Sequence[str]) -> str:
    """What separates the first line into the most cells; a comma where nothing does."""
    return max(_DELIMITERS, key=lambda delimiter: len(_first_cells(lines, delimiter)))


def table(path: pathlib.Path, lines: Sequence[str], delimiter: str) -> tuple[list[str], Iterator[dict[str, str]]]:
    """The columns of a table and its rows, column name -> text; absent cells are empty, blank rows left out.

    Args:
      path: for messages.
      lines: of the file.
      delimiter: between cells.

    Raises:
      UserError: a quoted cell does not end where it should, two columns have one name, or (while the rows are read)
        a row has more cells than there are columns.
    """
    records = _records(path, lines, delimiter)
    columns = next(records, (1, []))[1]
    repeated = next((name for place, name in enumerate(columns) if name and name in columns[:place]), None)
    if repeated is not None:
        raise UserError(f"{path} has two columns {repeated!r}: rename or remove one")
    return columns, _rows(path, records, columns)


def _rows(
    path: pathlib.Path, records: Iterator[tuple[int, list[str]]], columns: Sequence[str]
) -> Iterator[dict[str, str]]:
    for number, cells in records:
        if any(cells[len(columns) :]):
            raise UserError(
                f"line {number} of {path} has {len(cells)} cells, its header {len(columns)}: quote the cells that hold "
                "a separator"
            )
        yield {name: cells[place] if place < len(cells) else "" for place, name in enumerate(columns)}


def _first_cells(lines: Sequence[str], delimiter: str) -> list[str]:
    first = next(filter(str.strip, lines), "")
    return [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter, skipinitialspace=True), [])]


def _records(path: pathlib.Path, lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The number of its first line and the stripped cells of each row that is not blank."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    columns: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # A cell beyond the limit of 128 KB is one that never ends.
            reason = str(error) if "expected after" in str(error) else "a quoted cell does not end"
            raise UserError(f"the row in line {number} of {path} cannot be read ({reason}): {_MEND}") from error
        if cells is None:
            return
        cells = [text(cell) for cell in cells]
        if not any(cells):
            continue
        _require_no_row_inside(path, lines[number : reader.line_num], number, columns, delimiter)
        columns = columns or cells
        yield number, cells


def _require_no_row_inside(
    path: pathlib.Path, continued: Sequence[str], number: int, columns: Sequence[str], delimiter: str
) -> None:
    """Refuses a cell of several lines of which one looks like a row: two quotes too few swallow what is between them.

    Args:
      path: for messages.
      continued: the lines of the row but its first.
      number: of its first line.
      columns: of the table.
      delimiter: between cells.
    """
    place = columns.index(PATH) if PATH in columns else None
    for offset, line in enumerate(continued, 1):
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        is_row = len(cells) >= len(columns) > 1
        if is_row and (place is None or is_video_or_image(cells[place].strip())):
            raise UserError(
                f"a quoted cell that begins in line {number} of {path} takes in line {number + offset}, which looks "
                f"like a row: {_MEND}"
            )
