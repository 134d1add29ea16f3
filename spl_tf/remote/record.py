"""What is known of the mirrored objects, in one small data base beside the mirrors: processes share it."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from spl_tf.remote import addresses

if TYPE_CHECKING:
    import sqlite3

_TABLE = """CREATE TABLE IF NOT EXISTS objects
    (path TEXT PRIMARY KEY, size INTEGER, tag TEXT, mtime INTEGER, used REAL) WITHOUT ROWID"""
_SECONDS_TO_WAIT = 60.0


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of an object.

    Attributes:
      path: of the mirrored file.
      size: of the object, bytes.
      tag: of the object, changes with its content.
      mtime: of the mirrored file when it was equal to the object, nanoseconds; None while it is not fetched.
    """

    path: str
    size: int
    tag: str
    mtime: int | None

    def is_equal(self) -> bool:
        """Whether the mirrored file is there and is what it was when it was equal to the object."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime)


def known(path: str) -> Known | None:
    with _opened() as table:
        row = table.execute("SELECT path, size, tag, mtime FROM objects WHERE path = ?", (path,)).fetchone()
    return Known(*row) if row else None


def known_below(folder: str) -> dict[str, Known]:
    """By path, what is known of the objects below a folder."""
    with _opened() as table:
        # The character behind "/" ends the range.
        rows = table.execute(
            "SELECT path, size, tag, mtime FROM objects WHERE path > ? AND path < ?", (f"{folder}/", f"{folder}0")
        ).fetchall()
    return {row[0]: Known(*row) for row in rows}


def put(objects: Iterable[Known]) -> None:
    rows = [(each.path, each.size, each.tag, each.mtime, time.time()) for each in objects]
    with _opened() as table:
        table.executemany("REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", rows)


def touch(path: str) -> None:
    """Notes that a file is used now: it is among the last to be removed for want of room."""
    with _opened() as table:
        table.execute("UPDATE objects SET used = ? WHERE path = ?", (time.time(), path))


def forget(paths: Iterable[str]) -> None:
    with _opened() as table:
        table.executemany("DELETE FROM objects WHERE path = ?", [(path,) for path in paths])


def least_recently_used(suffix: str) -> list[Known]:
    """The fetched files whose name ends so, the one that was used last at the end."""
    with _opened() as table:
        rows = table.execute(
            "SELECT path, size, tag, mtime FROM objects WHERE mtime IS NOT NULL AND substr(path, ?) = ? ORDER BY used",
            (-len(suffix), suffix),
        ).fetchall()
    return [Known(*row) for row in rows]


@contextlib.contextmanager
def _opened() -> Iterator["sqlite3.Connection"]:
    import sqlite3

    folder = addresses.mirrors()
    folder.mkdir(parents=True, exist_ok=True)
    table = sqlite3.connect(folder / "objects.sqlite", timeout=_SECONDS_TO_WAIT)
    try:
        with table:
            # A lost row is fetched again: no wait for the disk.
            table.execute("PRAGMA synchronous = OFF")
            table.execute(_TABLE)
            yield table
    finally:
        table.close()
