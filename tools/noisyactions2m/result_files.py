"""Saved search results, file by file: every result a record or a reason why not, with its place in the file.

A JSON file is one result or one page of them, and is read whole; JSON lines have one of these a line; CSV has a result
a row. Either may be UTF-8, with Latin-1 in between, or UTF-16 with its mark.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from spl_tf.data.lists import csv_tables
from tools.noisyactions2m import records, texts, values
from tools.noisyactions2m.csv_rows import read_rows
from tools.noisyactions2m.records import Record, Unusable

LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv")
SUFFIXES = (".json", *LINES, *TABLES)

_MOST_BYTES = 128 << 20  # Of a JSON file, which takes several times as much when it is read.
_LONGEST_LINE = 64 << 20
_EMPTY = "a list of results without any"
_PAGE_NUMBER = re.compile(r"(?:[-_. ]*page)?[-_. ]*\d+$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Result:
    """What stands at one place of a file.

    Attributes:
      line: from 1; 0 in a JSON file.
      item: from 1, in a list or page; 0 elsewhere.
      record: None where there is none.
      reasons: why there is no record, or what of it could not be read.
    """

    line: int
    item: int
    record: Record | None
    reasons: list[str]


@dataclasses.dataclass(frozen=True)
class Piece:
    """A file, or the lines of a file of JSON lines that begin at byte `start` or later and before `end`."""

    path: str
    start: int = 0
    end: int | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """What a file does not tell: the site, and the columns of CSV files by field."""

    site: str = ""
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)


def read(piece: Piece, options: Options, root: str = "") -> Iterator[Result]:
    """The results of a file in its order.

    Args:
      piece: of the file.
      options: for what it does not tell.
      root: the folder that was searched; a page in a folder below answers the query of the folder's name.
    """
    suffix = os.path.splitext(piece.path)[1].lower()
    source = _Source(options.site, _query_of(piece.path, root), pathlib.PurePath(piece.path).stem)
    try:
        with open(piece.path, "rb") as opened:
            if suffix in LINES:
                yield from _of_lines(opened, piece, source)
            elif suffix in TABLES:
                yield from _of_table(opened, options)
            else:
                yield from _of_json(opened, source)
    except OSError as error:
        yield Result(0, 0, None, [f"unreadable file ({error.strerror})"])


def is_utf_16(path: str) -> bool:
    with open(path, "rb") as opened:
        return opened.read(2) in texts.MARKS


class LineCounter:
    """How many lines of its file begin before those of a piece; of pieces in order each byte is read once."""

    def __init__(self) -> None:
        self._path, self._place, self._count, self._last = "", 0, 0, b"\n"

    def before(self, piece: Piece) -> int:
        if piece.path != self._path or piece.start < self._place:
            self._path, self._place, self._count, self._last = piece.path, 0, 0, b"\n"
        with open(piece.path, "rb") as opened:
            opened.seek(self._place)
            while self._place < piece.start and (content := opened.read(min(piece.start - self._place, 1 << 24))):
                self._count += content.count(b"\n")
                self._last = content[-1:]
                self._place += len(content)
        return self._count + (self._last != b"\n")


@dataclasses.dataclass(frozen=True)
class _Source:
    site: str
    query: str
    stem: str


def _of_json(opened: BinaryIO, source: _Source) -> Iterator[Result]:
    if os.fstat(opened.fileno()).st_size > _MOST_BYTES:
        yield Result(0, 0, None, [f"larger than {_MOST_BYTES >> 20} MB (save it as JSON lines)"])
    else:
        yield from _results(opened.read(), source, 0)


def _of_lines(opened: BinaryIO, piece: Piece, source: _Source) -> Iterator[Result]:
    lines = texts.recoded(opened)
    place = 0
    if piece.start:  # The line that begins before belongs to the piece before.
        place = piece.start - 1
        opened.seek(place)
        place += _skip_line(opened)
    number = 0
    while piece.end is None or place < piece.end:
        content = lines.readline(_LONGEST_LINE)
        if not content:
            return
        number += 1
        place += len(content)
        if len(content) >= _LONGEST_LINE and not content.endswith(b"\n"):
            place += _skip_line(lines)
            yield Result(number, 0, None, [f"longer than {_LONGEST_LINE >> 20} MB"])
        elif content.strip():
            yield from _results(content, source, number)


def _skip_line(opened: BinaryIO) -> int:
    """How many bytes were left of it."""
    count = 0
    while content := opened.readline(_LONGEST_LINE):
        count += len(content)
        if content.endswith(b"\n"):
            break
    return count


def _of_table(opened: BinaryIO, options: Options) -> Iterator[Result]:
    lines = (line.removeprefix("\ufeff") for line in texts.lines(opened))
    fields: dict[str, str] | None = None
    for number, cells, reason in read_rows(lines, csv_tables.widest_delimiter):
        if fields is None:
            if cells is None:
                yield Result(number, 0, None, [f"no header ({reason})"])
                return
            fields = columns_of(cells, options.columns)
            columns = cells
            absent = sorted(set(options.columns.values()) - set(columns))
            if absent:
                yield Result(number, 0, None, [f"no column {column!r} (--csv_columns)" for column in absent])
        elif cells is None:
            yield Result(number, 0, None, [reason])
        else:
            row = {fields[name]: cell for name, cell in zip(columns, cells, strict=False) if name in fields}
            yield _result(number, 0, records.read_record, row, options.site)


def columns_of(header: list[str], given: Mapping[str, str]) -> dict[str, str]:
    """Column -> field: as given, else by its name ("Video Id" is video_id)."""
    chosen = {column: field for field, column in given.items() if column in header}
    taken = {name for field in chosen.values() for name in records.NAMES[field]}
    found = {}
    for column in header:
        name = re.sub(r"[\W_]+", "_", column.strip().lower()).strip("_")
        if column in chosen:
            found[column] = records.NAMES[chosen[column]][0]
        elif name not in taken:
            found[column] = name
    return found


def _results(content: bytes, source: _Source, line: int) -> Iterator[Result]:
    """The results of a JSON text."""
    try:
        value = texts.decode(content)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        yield Result(line, 0, None, [f"damaged JSON ({' '.join(reason.split())})"])
        return
    if value == []:
        yield Result(line, 0, None, [_EMPTY])
    elif isinstance(value, list):
        for item, entry in enumerate(value, 1):
            for result in _of_value(entry, source, line):
                yield dataclasses.replace(result, item=item)
    else:
        yield from _of_value(value, source, line)


def _of_value(value: Any, source: _Source, line: int) -> Iterator[Result]:
    """The results of an object: a page, Flickr's answer about one photo, a search of yt-dlp, or a single result."""
    if not isinstance(value, dict):
        yield Result(line, 0, None, [f"{values.shown(value)} instead of an object"])
        return
    page, photo, comments, sizes = (value.get(name) for name in ("photos", "photo", "comments", "sizes"))
    if value.get("stat") == "fail":
        yield Result(line, 0, None, [f"Flickr refused ({values.shown(value.get('message', ''))})"])
    elif isinstance(page, dict) and "photo" in page:
        query = _first_line(value.get("query"), value.get("text")) or source.query
        yield from _of_list(page["photo"], line, "flickr", query, _rank_before(page))
    elif isinstance(photo, dict) and "id" not in value:
        yield _result(line, 0, records.read_record, records.flat(photo), "flickr")
    elif isinstance(comments, dict) and "photo_id" in comments:
        yield _result(line, 0, records.read_comments, comments)
    elif isinstance(sizes, dict) and "size" in sizes:
        name = _first_line(value.get("photo_id"), value.get("id")) or "".join(re.findall(r"\d{6,}", source.stem)[:1])
        yield _result(line, 0, records.read_sizes, sizes, name)
    elif value.get("_type") in ("playlist", "multi_video"):
        query = _first_line(value.get("title"), value.get("id"))
        yield from _of_list(value.get("entries"), line, source.site, query, 0)
    else:
        yield _result(line, 0, records.read_record, value, source.site)


def _of_list(entries: Any, line: int, site: str, query: str, before: int | None) -> Iterator[Result]:
    if not isinstance(entries, list) or not entries:
        yield Result(line, 0, None, [_EMPTY])
        return
    for item, entry in enumerate(entries, 1):
        if isinstance(entry, dict):
            rank = None if before is None else before + item
            yield _result(line, item, records.read_record, entry, site, query, rank)
        else:
            yield Result(line, item, None, [f"{values.shown(entry)} instead of an object"])


def _result(line: int, item: int, read_one: Callable[..., tuple[Record, list[str]]], *arguments: Any) -> Result:
    try:
        record, faults = read_one(*arguments)
    except Unusable as error:
        return Result(line, item, None, [str(error)])
    return Result(line, item, record, faults)


def _query_of(path: str, root: str) -> str:
    """What a page answers that does not tell: its folder's name, else its own without the page's number."""
    place = pathlib.PurePath(path)
    if root and place.parent != pathlib.PurePath(root):
        return place.parent.name
    return _PAGE_NUMBER.sub("", place.stem)


def _rank_before(page: dict[str, Any]) -> int | None:
    """How many results the pages before have; None where the page does not tell its number."""
    try:
        number, size = values.rank(page.get("page")), values.rank(page.get("perpage"))
    except ValueError:
        return None
    if number is None or (number > 1 and size is None):
        return None
    return (number - 1) * (size or 0)


def _first_line(*candidates: Any) -> str:
    for candidate in candidates:
        if isinstance(candidate, str | int) and not isinstance(candidate, bool) and (found := values.line(candidate)):
            return found
    return ""
