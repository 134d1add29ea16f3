"""The files that a list names, each once, with a name that is a place below any folder."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from spl_tf.data.file_kinds import is_image, kind_without_picture
from spl_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class ListedFiles:
    """The files of a list.

    Attributes:
      names: path as listed -> name, of those that can be read.
      sources: name -> where the file lies.
      paths: name -> path as it is listed first.
      faults: path as listed -> why there is no video file.
    """

    names: dict[str, str]
    sources: dict[str, str]
    paths: dict[str, str]
    faults: dict[str, str]


def find_files(folder: pathlib.Path, listed: Sequence[str]) -> ListedFiles:
    """Looks for the files of a list.

    Args:
      folder: that relative paths start at.
      listed: paths, may repeat.

    Raises:
      UserError: two files have one name, since names begin behind any `..` and `/`.
    """
    found = ListedFiles({}, {}, {}, {})
    for path in dict.fromkeys(listed):
        source = os.path.join(folder, path)
        if fault := _fault(path, source):
            found.faults[path] = fault
            continue
        name = _name(path)
        other = found.sources.setdefault(name, source)
        if os.path.realpath(other) != os.path.realpath(source):
            raise UserError(
                f"{other} and {source} would both be called {name}: copy the list to where both lie below it"
            )
        found.names[path] = name
        found.paths.setdefault(name, path)
    return found


def _name(path: str) -> str:
    parts = pathlib.PurePath(os.path.normpath(path)).parts
    return "/".join(part for part in parts if part not in ("..", os.sep, "//"))


def _fault(path: str, source: str) -> str:
    if not path:
        return "no path"
    if "\0" in path or not os.path.exists(source):
        return "no such file"
    if not os.path.isfile(source):
        return "not a file (a folder of frames has no bytes of a video)" if os.path.isdir(source) else "not a file"
    if kind := "image" if is_image(path) else kind_without_picture(path):
        return f"{kind}, no video"
    return "" if os.path.getsize(source) else "empty file"
