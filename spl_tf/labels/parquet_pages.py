"""What the pages of a Parquet file say they hold, told without unpacking one.

pyarrow shows what a footer says of its columns, but ends the process on some damaged ones (version 26), and a footer
may say anything of the pages behind it. Both are Thrift structs in the compact protocol (parquet.thrift of
apache/parquet-format), of which a few fields are looked at here.
"""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # The footer's length and the magic.
_DICTIONARY_PAGE = 2
_MOST_HEADER_BYTES = 1 << 16
_MOST_DEPTH = 24


@dataclasses.dataclass(frozen=True)
class ColumnChunk:
    """A column of a row group.

    Attributes:
      name: dotted path in the schema.
      type: Parquet's number of the physical type.
      num_values: entries of lists counted each, by its pages or its footer, the larger.
      num_bytes: of the pages once unpacked.
      in_dictionary: whether some values are stored once for many rows.
    """

    name: str
    type: int
    num_values: int
    num_bytes: int
    in_dictionary: bool


def read_chunks(file: BinaryIO) -> list[list[ColumnChunk]]:
    """The columns of every row group.

    Raises:
      ValueError: the file is damaged, or its pages are not where it says.
    """
    try:
        groups = _read_footer(file).get(4, [])
        return [[_read_chunk(file, column[3]) for column in group[1]] for group in groups]
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"its footer or a page's head cannot be read: {error!r}") from error


def _read_footer(file: BinaryIO) -> dict[int, Any]:
    size = file.seek(0, os.SEEK_END)
    tail = _read_at(file, max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length + _TAIL_BYTES > size:
        raise ValueError("it has no footer")
    return _Compact(_read_at(file, size - _TAIL_BYTES - length, length)).struct()


def _read_chunk(file: BinaryIO, described: dict[int, Any]) -> ColumnChunk:
    name = ".".join(part.decode() for part in described[3])
    place = described[9]
    if 0 < described.get(11, 0) < place:  # The dictionary's page.
        place = described[11]
    num_values = num_bytes = 0
    in_dictionary = False
    # Without values there need be no page where the footer says.
    for header in _page_headers(file, place, described[7] if described[5] > 0 else 0):
        num_bytes += header[2]
        if header[1] == _DICTIONARY_PAGE:
            in_dictionary = True
        else:
            num_values += header.get(5, header.get(8, {})).get(1, 0)
    return ColumnChunk(name, described[1], max(num_values, described[5]), num_bytes, in_dictionary)


def _page_headers(file: BinaryIO, place: int, num_bytes: int) -> Iterator[dict[int, Any]]:
    end = place + num_bytes
    while place < end:
        head = _Compact(_read_at(file, place, min(_MOST_HEADER_BYTES, end - place)))
        header = head.struct()
        if header[2] < 0 or header[3] < 0:
            raise ValueError("a page has a negative size")
        yield header
        place += head.place + header[3]


def _read_at(file: BinaryIO, place: int, num_bytes: int) -> bytes:
    if place < 0:
        raise ValueError("a page begins before the file")
    return os.pread(file.fileno(), num_bytes, place)


class _Compact:
    """Thrift's compact protocol: a struct is its fields by their number."""

    def __init__(self, content: bytes):
        self._content = content
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _MOST_DEPTH:
            raise ValueError("its footer is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2, 3):  # Truth in a list, and a byte.
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._unsigned()
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError(f"its footer has a field of the unknown kind {kind}")

    def _byte(self) -> int:
        self.place += 1
        return self._content[self.place - 1]

    def _bytes(self, length: int) -> bytes:
        self.place += length
        if self.place > len(self._content):
            raise IndexError("cut off")
        return self._content[self.place - length : self.place]

    def _unsigned(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ValueError("its footer has a number of too many bytes")

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)
