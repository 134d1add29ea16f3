"""Checksums of what lies on disk, so that a damaged file is refused by name before anything is built on it.

A finished folder has a list of them, `SHA256SUMS`, as coreutils write it: `sha256sum -c SHA256SUMS` checks the folder
by hand. The list is written before the file that marks the folder as finished, and has a checksum of its own.
What is written more than once while a run goes on carries its checksum in itself: JSON in a field, other files in
their last line, so that one rename replaces both.
"""

import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.stored import read_json

T = TypeVar("T")
V = TypeVar("V")

SUMS = "SHA256SUMS"

_FIELD = "sha256"
_LAST_LINE = b"sha256 "
_LAST_LINE_BYTES = len(_LAST_LINE) + hashlib.sha256().digest_size * 2 + 1

_told_of: set[pathlib.Path] = set()


def complete(folder: files.Path, names: Mapping[str, str | None], marker: str, text: str) -> None:
    """Lists the checksums of a folder's files, then writes the file that marks it as finished.

    Args:
      folder: an older list in it is replaced.
      names: files in it; with their hex SHA-256 where that is known already.
      marker: name of the last file; listed too.
      text: its content.
    """
    folder = pathlib.Path(folder)
    sums = {name: known or files.sha256(folder / name) for name, known in names.items()}
    sums[marker] = hashlib.sha256(text.encode()).hexdigest()
    lines = "".join(map(_line, sorted(sums), (sums[name] for name in sorted(sums))))
    files.write_text(folder / SUMS, f"{lines}# {hashlib.sha256(lines.encode()).hexdigest()}\n")
    files.write_text(folder / marker, text)


def require_whole(path: files.Path, remedy: str) -> str:
    """Hex SHA-256 of a file, which is the one listed beside it.

    A file whose folder has no list, or that the list does not name, is taken as it is; of a folder, that is told once.

    Args:
      path: the file.
      remedy: what the user can do when it is damaged, the way that loses least.

    Raises:
      UserError: it is missing, or has another content than when its folder was finished, or the list is damaged.
    """
    path = pathlib.Path(path)
    files.require_regular(path, remedy)
    found = files.sha256(path)
    if listed(path.parent).get(path.name, found) != found:
        raise UserError(f"{path} is damaged or was edited (it has another checksum than {SUMS} says): {remedy}")
    return found


def listed(folder: pathlib.Path) -> dict[str, str]:
    """Name -> hex SHA-256 of a folder's files; empty, which is told once, for a folder of before there were lists.

    Raises:
      UserError: the list is damaged.
    """
    path = folder / SUMS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        tell_unchecked(folder, f"no {SUMS}: what lies in it is")
        return {}
    lines, _, own = content.rpartition(b"# ")
    if own.decode("ascii", "replace") != f"{hashlib.sha256(lines).hexdigest()}\n":
        raise UserError(f"{path} is damaged: copy it again, or delete it alone, then its folder is used unchecked")
    return dict(_entry(line) for line in lines.decode().split("\n") if line)


def tell_unchecked(path: files.Path, what: str) -> None:
    """Says, once, that something of before there were checksums is used unchecked.

    Args:
      path: it.
      what: it has not, and the begin of the consequence, e.g. "no checksum: it is".
    """
    path = pathlib.Path(path)
    if path.resolve() not in _told_of:
        _told_of.add(path.resolve())
        print(f"{path} has {what} used unchecked", file=sys.stderr, flush=True)


def _line(name: str, digest: str) -> str:
    """As coreutils write it: names with a backslash or a line break are marked and escaped."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def _entry(line: str) -> tuple[str, str]:
    digest, name = line.split("  ", 1)
    if digest.startswith("\\"):
        parts = (part.replace("\\n", "\n").replace("\\r", "\r") for part in name.split("\\\\"))
        digest, name = digest[1:], "\\".join(parts)
    return name, digest


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a JSON file with its own checksum as a field."""
    return {**content, _FIELD: _digest_of(content)}


def unsealed(content: Mapping[str, V], path: files.Path, remedy: str) -> dict[str, V]:
    """The content without that field, whose absence is no fault: older files lack it.

    Raises:
      UserError: it is another content's.
    """
    rest = {name: value for name, value in content.items() if name != _FIELD}
    if _FIELD in content and content[_FIELD] != _digest_of(rest):
        raise UserError(f"{path} is damaged or was edited (it has another checksum than it says): {remedy}")
    return rest


def read_sealed(path: files.Path, kind: type[T], remedy: str) -> T:
    """Reads a JSON file that was `sealed`; arguments as of `read_json`, raises as it and `unsealed`."""
    content = read_json(path, kind, remedy)
    unsealed(read_json(path, dict[str, Any], remedy), path, remedy)
    return content


def _digest_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def append_checksum(path: files.Path) -> None:
    """Adds a last line with the checksum of all before it; NumPy reads its files the same with it."""
    digest = files.sha256(path).encode()
    with open(path, "ab") as opened:
        opened.write(_LAST_LINE + digest + b"\n")


def ends_with_checksum(path: files.Path) -> bool:
    """Whether a file is there as `append_checksum` left it."""
    try:
        with open(path, "rb") as opened:
            size = os.fstat(opened.fileno()).st_size - _LAST_LINE_BYTES
            if size < 0:
                return False
            found = hashlib.sha256()
            while block := opened.read(min(size - opened.tell(), 1 << 20)):
                found.update(block)
            return opened.read() == _LAST_LINE + found.hexdigest().encode() + b"\n"
    except FileNotFoundError:
        return False
