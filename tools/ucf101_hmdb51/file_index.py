"""Video files by name, found under other spellings too: another suffix, another case, another encoding of the name."""

import difflib
import os
import pathlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from spl_tf.data.file_kinds import VIDEO_SUFFIXES

# Comparing takes some 10 microseconds a pair.
_MOST_COMPARED = 500


class FileIndex:
    """The files of a folder.

    Args:
      paths: of the files.
      group_of: of a path, what its near names share with it.
    """

    def __init__(self, paths: Iterable[pathlib.Path], group_of: Callable[[pathlib.Path], str]):
        self._exact: dict[str, list[pathlib.Path]] = {}
        self._spelled: dict[str, list[pathlib.Path]] = {}
        self._bare: dict[str, str] = {}
        self._groups: dict[str, list[str]] = {}
        for path in sorted(paths, key=_preference):
            self._exact.setdefault(path.name, []).append(path)
            self._spelled.setdefault(_spelling(path.name), []).append(path)
            self._bare.setdefault(_bare(path.name), path.name)
            self._groups.setdefault(group_of(path), []).append(path.name)

    def by_name(self) -> dict[str, pathlib.Path]:
        """File name -> the first of its files."""
        return {name: paths[0] for name, paths in self._exact.items()}

    def find(self, name: str) -> list[pathlib.Path]:
        """The files of that name, else those that are spelled otherwise, the preferred suffix first."""
        return self._exact.get(name) or self._spelled.get(_spelling(name), [])

    def near(self, name: str, group: str) -> str:
        """The name of a file that may be meant: one with equal letters and digits, or a similar one of the group."""
        if _bare(name) in self._bare:
            return self._bare[_bare(name)]
        names = self._groups.get(group, ())
        found = difflib.get_close_matches(name, names, n=1, cutoff=0.8) if len(names) <= _MOST_COMPARED else []
        return found[0] if found else ""


def video_files(folder: str | os.PathLike) -> list[pathlib.Path]:
    """All files below a folder with the suffix of a video, in whatever case."""
    return [
        pathlib.Path(place) / name
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(VIDEO_SUFFIXES)
    ]


def _preference(path: pathlib.Path) -> tuple[int, Sequence[str]]:
    return VIDEO_SUFFIXES.index(path.suffix.lower()), path.parts


def _spelling(name: str) -> str:
    """Equal for `K\\xfcr.avi` in Latin-1 and in UTF-8, composed or not, in any case and with any suffix."""
    content = os.fsencode(os.path.splitext(name)[0])
    try:
        stem = content.decode()
    except UnicodeDecodeError:
        stem = content.decode("latin-1")
    return unicodedata.normalize("NFC", stem).casefold()


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", _spelling(name))
