"""Values of search results: text, numbers and moments, however they are written.

Each function gives None for a value that is absent, and raises ValueError with the reason for one that cannot be read.
"""

import datetime
import html
import math
import re
from typing import Any

_EARLIEST_TAKEN = datetime.datetime(1800, 1, 1, tzinfo=datetime.UTC)
_EARLIEST_UPLOAD = datetime.datetime(1990, 1, 1, tzinfo=datetime.UTC)
_LATEST = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
_DAY = re.compile(r"(19|20)\d{6}")
# Later than this in seconds is the year 5138: it must be milliseconds.
_MOST_SECONDS = 1e11
_MOST_SHOWN = 60
# Flickr's numbers (flickr.photos.licenses.getInfo).
_FLICKR_LICENCES = (
    "All Rights Reserved",
    "CC BY-NC-SA 2.0",
    "CC BY-NC 2.0",
    "CC BY-NC-ND 2.0",
    "CC BY 2.0",
    "CC BY-SA 2.0",
    "CC BY-ND 2.0",
    "No known copyright restrictions",
    "United States Government Work",
    "CC0 1.0",
    "Public Domain Mark 1.0",
)


def text(value: Any) -> str | None:
    """Text without HTML entities, blanks at its ends and halves of surrogate pairs; Flickr's {"_content": ...} too."""
    if isinstance(value, dict) and "_content" in value:
        value = value["_content"]
    if value is None:
        return None
    found = value if isinstance(value, str) else _written(value)
    if "&" in found:
        found = html.unescape(found)
    if not found.isascii():  # Only then can there be any.
        found = found.encode(errors="backslashreplace").decode()
    return found.strip() or None


def line(value: Any) -> str | None:
    """Text on one line, with single spaces."""
    found = text(value)
    return None if found is None else " ".join(found.split())


def address(value: Any) -> str | None:
    """A URL as it is written: "&copy=" in it is no entity."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{kind(value)} instead of an address")
    return "".join((value or "").encode(errors="backslashreplace").decode().split()) or None


def owner(value: Any) -> str | None:
    """Text, or of an object of flickr.photos.getInfo its `nsid`."""
    return line(value["nsid"] if isinstance(value, dict) and "nsid" in value else value)


def identifier(value: Any) -> str | None:
    """An id: one word. Numbers may have lost their quotes."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    found = text(value)
    if found is not None and (any(letter.isspace() for letter in found) or not found.isprintable()):
        raise ValueError(f"no id {shown(value)}")
    return found


def number(value: Any) -> float | None:
    """A finite number; also one written as text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{kind(value)} instead of a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"no number {shown(value)}")
    return found


def seconds(value: Any) -> float | None:
    """A length: a number, or 1:02:03; Flickr's {"duration": ...} too."""
    if isinstance(value, dict) and "duration" in value:
        value = value["duration"]
    if isinstance(value, str) and re.fullmatch(r"\s*\d+(:\d\d){1,2}(\.\d*)?\s*", value):
        found = 0.0
        for part in value.split(":"):
            found = 60 * found + float(part)
        return found
    length = number(value)
    if length is not None and length < 0:
        raise ValueError(f"impossible length {shown(value)}")
    return length


def rank(value: Any) -> int | None:
    """A position from 1."""
    found = number(value)
    if found is None:
        return None
    if not found.is_integer() or not 1 <= found < 2**31:
        raise ValueError(f"no rank {shown(value)}")
    return int(found)


def uploaded(value: Any) -> int | None:
    """Seconds since 1970, UTC: a Unix time, YYYYMMDD or ISO 8601; not before 1990."""
    return _moment(value, _EARLIEST_UPLOAD)


def taken(value: Any) -> int | None:
    """The same, not before 1800. A camera tells no time zone: its time is taken for UTC."""
    return _moment(value, _EARLIEST_TAKEN)


def licence(value: Any, site: str) -> str | None:
    """A licence's name; Flickr gives a number."""
    found = line(value)
    if found is None or site != "flickr" or not found.isdecimal():
        return found
    return _FLICKR_LICENCES[int(found)] if int(found) < len(_FLICKR_LICENCES) else f"Flickr licence {found}"


def shown(value: Any) -> str:
    """A value for a message; a list or an object can be nested deeper than it can be written."""
    if isinstance(value, list | dict):
        return f"({kind(value)})"
    try:
        found = repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # More digits than Python writes.
        return "(a number)"
    return found if len(found) <= _MOST_SHOWN else f"{found[:_MOST_SHOWN]}..."


def _written(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{kind(value)} instead of text")
    return str(value)


def _moment(value: Any, earliest: datetime.datetime) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        day = _DAY.fullmatch(value)
    else:
        day = None
    try:
        if isinstance(value, str) and value and (day or not re.fullmatch(r"-?\d+(\.\d*)?", value)):
            found = datetime.datetime.fromisoformat(value)
            found = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
            moment: float | None = found.timestamp()
        else:
            moment = number(value)
    except (ValueError, OverflowError) as error:
        reason = f"impossible date {shown(value)}" if isinstance(value, str) else str(error)
        raise ValueError(reason) from error
    if moment is None:
        return None
    if moment > _MOST_SECONDS:
        moment /= 1000
    if not earliest.timestamp() <= moment < _LATEST.timestamp():
        raise ValueError(f"impossible date {shown(value)}")
    return int(moment // 1)


def kind(value: Any) -> str:
    """What JSON calls it, for a message."""
    return {dict: "object", list: "list", bool: "true or false"}.get(type(value), type(value).__name__)
