"""Text and JSON of anybody's: what can be read is, whatever its encoding and however it is wrapped."""

import codecs
import io
import json
import re
from typing import Any, BinaryIO

import msgspec

MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CALL = re.compile(rb"[\w.$]+\s*\((.*)\)\s*;?\s*", re.DOTALL)


def decode(content: bytes) -> Any:
    """JSON, also as the argument of a call (jsonFlickrApi), with a mark in front, NaN, or half of a surrogate pair.

    Raises:
      ValueError: it is damaged. RecursionError: it is nested too deep.
    """
    if content[:2] in MARKS:  # Before blanks go, which are two bytes there.
        content = content.decode("utf-16", "replace").encode()
    content = content.strip().removeprefix(codecs.BOM_UTF8).lstrip()
    if content[:1] not in (b"{", b"[") and (call := _CALL.fullmatch(content)):
        content = call[1]
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, ValueError):  # Python's own reader bears more and is slower.
        return json.loads(decoded(content))


def recoded(opened: BinaryIO) -> Any:
    """The file as UTF-8, from its beginning."""
    mark = opened.read(2)
    opened.seek(0)
    return codecs.EncodedFile(opened, "utf-8", "utf-16", "replace") if mark in MARKS else opened


def lines(opened: BinaryIO) -> io.TextIOWrapper:
    """The file's text from its beginning, line by line with the ends of lines; a carriage return alone is one too."""
    mark = opened.read(2)
    opened.seek(0)
    encoding, errors = ("utf-16", "replace") if mark in MARKS else ("utf-8", "latin_1_between")
    return io.TextIOWrapper(opened, encoding, errors, newline="")


def decoded(content: bytes) -> str:
    return content.decode("utf-8", "latin_1_between")


def _latin_1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("latin_1_between", _latin_1)
