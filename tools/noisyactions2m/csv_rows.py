"""CSV of anybody's: a row that cannot be read costs no other row.

`csv` alone reads a quote that is never closed as a cell that goes on to the end of the file, rows and all.
"""

import collections
import csv
from collections.abc import Callable, Iterator

_LONGEST_CELL = 1 << 20  # Characters.


def read_rows(
    lines: Iterator[str], delimiter_of: Callable[[list[str]], str]
) -> Iterator[tuple[int, list[str] | None, str]]:
    """(number of the first line, cells, "") of each row that is not blank, or (number, None, reason); the header first.

    After a row that cannot be read its second line is tried as a row of its own. Absent cells at the end are left out.

    Args:
      lines: each with its end.
      delimiter_of: from the first line.
    """
    waiting: collections.deque[str] = collections.deque()
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    waiting.append(first)
    delimiter = delimiter_of([first])
    width, number = 0, 0
    while True:
        read: list[str] = []
        row, reason = _row(_fed(waiting, lines, read), delimiter, width)
        if not read:
            return
        if reason and len(read) == 1:
            row, reason = _lenient(read[0], delimiter, width, reason)
        if reason:
            waiting.extendleft(reversed(read[1:]))
            yield number + 1, None, reason
            number += 1
            continue
        if any(cell.strip() for cell in row):
            width = width or len(row)
            yield number + 1, row[:width], ""
        number += len(read)


def _fed(waiting: collections.deque[str], lines: Iterator[str], read: list[str]) -> Iterator[str]:
    while True:
        line = waiting.popleft() if waiting else next(lines, None)
        if line is None:
            return
        read.append(line)
        yield line


def _row(lines: Iterator[str], delimiter: str, width: int) -> tuple[list[str], str]:
    """One row and why it cannot be read."""
    csv.field_size_limit(_LONGEST_CELL)
    try:
        row = next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        expected = "expected after" in str(error)
        return [], f"damaged row ({error})" if expected else "damaged row (a quoted cell does not end)"
    if width and any(cell.strip() for cell in row[width:]):
        return [], f"damaged row ({len(row)} cells, the header has {width})"
    return row, ""


def _lenient(line: str, delimiter: str, width: int, reason: str) -> tuple[list[str], str]:
    """A row of one line with a quote that should be two, read as far as it has the header's number of cells."""
    if "expected after" not in reason:
        return [], reason
    row = next(csv.reader([line], delimiter=delimiter), [])
    return (row, "") if len(row) == width else ([], reason)
