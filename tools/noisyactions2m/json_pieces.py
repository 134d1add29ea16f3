"""JSON files larger than memory: what stands below their two outermost levels, one piece after the other.

Data sets are lists of objects, or objects with a few lists of these. Only a piece is decoded whole.
"""

import json
from collections.abc import Iterator
from typing import Any, TextIO

_CHARACTERS = 1 << 20
# A damaged file would else be read to its end in search of the end of a piece.
_LONGEST = 1 << 28


def read(opened: TextIO, whole: str) -> Iterator[tuple[str, Any]]:
    """(name, value) of the pieces; the name is that of the nearest key above, of an entry of a list that of the list.

    Args:
      opened: the file.
      whole: name of lists that are not divided.

    Raises:
      ValueError: it is no JSON, or a piece has more than 268 million characters. RecursionError: nested too deep.
    """
    text = _Text(opened)
    yield from _pieces(text, "", whole, 2)
    if mark := text.mark():
        raise ValueError(f"{mark!r} behind the end")


def _pieces(text: "_Text", name: str, whole: str, levels: int) -> Iterator[tuple[str, Any]]:
    begin = text.mark()
    if not levels or begin not in ("[", "{") or (begin == "[" and name == whole):
        yield name, text.value()
        return
    text.take(begin)
    end = "]" if begin == "[" else "}"
    if text.mark() == end:
        text.take(end)
        return
    while True:
        key: Any = name
        if begin == "{":
            key = text.value()
            if not isinstance(key, str):
                raise ValueError(f"{key!r} is no key")
            text.take(":")
        yield from _pieces(text, key, whole, levels - 1)
        if text.mark() == end:
            text.take(end)
            return
        text.take(",")


class _Text:
    """The text of a file, of which only what has not been taken yet is held."""

    def __init__(self, opened: TextIO):
        self._opened = opened
        self._decoder = json.JSONDecoder()
        self._held, self._place = "", 0

    def mark(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            while self._place < len(self._held):
                if not self._held[self._place].isspace():
                    return self._held[self._place]
                self._place += 1
            if not self._read():
                return ""

    def take(self, expected: str) -> None:
        if (found := self.mark()) != expected:
            raise ValueError(f"{found!r} where {expected!r} should be")
        self._place += 1

    def value(self) -> Any:
        """The next value."""
        self.mark()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._place)
            except ValueError:
                if len(self._held) - self._place > _LONGEST or not self._read():
                    raise
                continue
            behind = self._held[end : end + 1]
            if isinstance(value, int | float) and (not behind or behind in ".eE") and self._read():
                continue  # The number may go on.
            self._place = end
            return value

    def _read(self) -> bool:
        """Holds about twice as much; whether there was more."""
        self._held = self._held[self._place :]
        self._place = 0
        more = self._opened.read(max(_CHARACTERS, len(self._held)))
        self._held += more
        return bool(more)
