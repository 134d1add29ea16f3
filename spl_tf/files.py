"""Files that are either whole or absent."""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from spl_tf.errors import UserError

Path = str | os.PathLike

# What a killed process may leave behind, for pathlib's glob and match.
TEMPORARY = ".*.tmp.*"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[pathlib.Path]:
    """Yields a temporary name beside `path`; on success it is synced and renamed to `path`.

    On any exception the temporary file is removed and `path` keeps its old content.
    The folder of `path` is created when missing.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept: matplotlib and Keras choose the format by it.
    temporary = path.with_name(f".{os.getpid()}.tmp.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: pathlib.Path) -> None:
    """Makes a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, way_out: str) -> Any:
    """Reads a JSON file of ours.

    Args:
      path: the file.
      way_out: what the user can do when it is missing or damaged, e.g.
        "run spl_tf.shard first".

    Raises:
      UserError: the file is missing or is not JSON.
    """
    try:
        with open(path, encoding="utf-8") as opened:
            return json.load(opened)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {way_out}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}): {way_out}") from error


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
