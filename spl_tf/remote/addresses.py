"""Addresses such as s3://bucket/folder, and the paths of their mirrors: one follows from the other."""

import functools
import os
import pathlib
import re

from spl_tf.errors import UserError

Path = str | os.PathLike[str]

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
# pathlib makes one slash of two.
_COLLAPSED = re.compile(r"(?:s3a?|gs|gcs|memory|az|abfss?|hdfs|sftp|https?|ftp):/[^/]")


def is_address(text: object) -> bool:
    """Whether a text names a place in a store, e.g. "s3://bucket/folder"."""
    return isinstance(text, str) and _ADDRESS.match(text) is not None


def mirrors() -> pathlib.Path:
    """The folder of all mirrors; SPL_TF_CACHE_DIR names another one than ~/.cache/spl_tf."""
    return _real(os.environ.get("SPL_TF_CACHE_DIR") or os.path.expanduser("~/.cache/spl_tf"))


@functools.cache
def _real(folder: str) -> pathlib.Path:
    return pathlib.Path(os.path.realpath(os.path.expanduser(folder)))


def mirror_path(address: str) -> pathlib.Path:
    """Where the mirror of an address lies; nothing is fetched.

    Raises:
      UserError: no address of a folder or file in a store.
    """
    found = _ADDRESS.match(address)
    scheme, place = (found[1], found[2].rstrip("/")) if found else ("", "")
    parts = place.split("/")
    if scheme in ("", "file") or any(part in ("", ".", "..") for part in parts) or "\0" in place:
        raise UserError(f"{address} is no address of a store: give e.g. s3://bucket/folder, or a path for a local one")
    return mirrors().joinpath(scheme, *parts)


def address_of(path: Path) -> str | None:
    """The address whose mirror this path is; None for other paths."""
    root, text = str(mirrors()), str(path)
    if not text.startswith(f"{root}/"):
        return None
    scheme, _, place = text[len(root) + 1 :].partition("/")
    return f"{scheme}://{place}" if place else None


def require_address(path: Path) -> str:
    """The address of a path that is known to lie in a mirror."""
    address = address_of(path)
    assert address is not None, path
    return address


def shown(path: Path) -> str:
    """A path as the user knows it: the address for one in a mirror."""
    return address_of(path) or str(path)


def local_path(text: str) -> str:
    """What `shown` has shown, as a path again."""
    return str(mirror_path(text)) if is_address(text) else text


def with_addresses(text: str) -> str:
    """A text in which the paths of mirrors are addresses."""
    return re.sub(rf"{re.escape(str(mirrors()))}/([a-z][a-z0-9+.-]*)/(?=[^/\s])", r"\1://", text)


def require_no_address(path: Path) -> None:
    """Raises UserError for an address that came where a local path is needed: a folder "s3:" would be made."""
    text = str(path)
    if is_address(text) or _COLLAPSED.match(text):
        raise UserError(f"{text} is an address of a store, and a local path is needed here: see docs/remote.md")
