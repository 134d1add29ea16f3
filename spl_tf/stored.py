"""JSON that this package wrote, read back through declared types: a fault is one line with file and field."""

import os
import re
from typing import Annotated, TypeVar

import msgspec

from spl_tf import files
from spl_tf.errors import UserError

T = TypeVar("T")

# The name of a file or folder, which is put below a folder of ours: never a path.
Name = Annotated[str, msgspec.Meta(pattern=r"^(?!\.{1,2}\Z)[^/\\\x00-\x1f\x7f]+\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

# A million shards are described in less.
_MOST_BYTES = 1 << 29
_NO_NAME = re.compile(r"Expected `str` matching regex '.*'")


class _Versioned(msgspec.Struct):
    format_version: int


def read_json(path: files.Path, kind: type[T], remedy: str, *, version: int | None = None) -> T:
    """Reads a JSON file of ours.

    Args:
      path: the file.
      kind: what it holds: a msgspec.Struct, a dataclass, a TypedDict or a type such as dict[str, Count]. Fields it
        does not name are passed over.
      remedy: what the user can do when it is missing or damaged, that which loses the least, e.g. "run spl_tf.shard
        first".
      version: what its field `format_version` must be, looked at first; None for files without that field.

    Raises:
      UserError: the file is missing, no regular file, too large, not JSON, of another version, or not of that kind.
    """
    with files.open_regular(path, remedy) as opened:
        if os.fstat(opened.fileno()).st_size > _MOST_BYTES:
            raise UserError(f"{path} is larger than any such file of ours: {remedy}")
        content = opened.read()
    if version is not None:
        found = decode(content, _Versioned, path, remedy).format_version
        if found != version:
            raise UserError(
                f"{path} has format version {found}, this package reads {version}: {remedy}, or use the package "
                "version it was written with"
            )
    return decode(content, kind, path, remedy)


def decode(content: bytes | str, kind: type[T], where: files.Path, remedy: str) -> T:
    """JSON as a declared type; `where` is named in the UserError for anything else."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UserError(f"{where} is damaged or not ours ({_explained(str(error))}): {remedy}") from error


def is_name(text: str) -> bool:
    """Whether a text can be a `Name`."""
    try:
        msgspec.convert(text, Name)
    except msgspec.ValidationError:
        return False
    return True


def _explained(message: str) -> str:
    """msgspec's message with the field first: "shards[0].records: expected int, got str"."""
    message, _, place = _NO_NAME.sub("Expected a name, not a path", message).partition(" - at ")
    message = message.replace("`", "")
    field = place.replace("`", "").removeprefix("key in ").removeprefix("$").removeprefix(".")
    if place.startswith("`key`"):
        message += " as a key"
    if message[:2].istitle():  # Not of "JSON ...".
        message = message[0].lower() + message[1:]
    return f"{field}: {message}" if field else message
