"""Which keys have an image. Folders are listed once each: a million single look-ups would take long."""

import errno
import os
import posixpath
from collections.abc import Iterable, Sequence

import cv2
import tqdm

from spl_tf.data.file_kinds import is_image
from spl_tf.data.lists.csv_tables import text
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.images import read_image
from spl_tf.data.video.scaling import scaled_size
from spl_tf.data.workers import Failure, run_in_workers

MISSING = "missing image"
_NO_FILE = -1
# Every image has minutes: a file server may be slow.
_SECONDS_PER_IMAGE = 600.0
# What spl_tf.shard makes of an image unless told otherwise: what it rejects depends on that.
_SHORT_SIDE = 256


class ImageFiles:
    """The files of a data set, as its folders list them; links are followed, also out of the folder."""

    def __init__(self, folder: str):
        self._folder = folder
        self._sizes: dict[str, dict[str, int]] = {}
        self._stems: dict[str, dict[str, str]] = {}

    def path(self, key: str) -> str:
        return os.path.join(self._folder, key)

    def problem(self, key: str) -> str:
        """Why a key has no image, as far as can be told without opening it; empty where it has one."""
        if not is_image(key):
            return f"no suffix of an image ({posixpath.splitext(key)[1]})"
        place, name = posixpath.split(key)
        if place not in self._sizes:
            self._sizes[place] = _sizes(self.path(place))
        size = self._sizes[place].get(name)
        if size is None:
            near = self._near(place, name)
            return f"{MISSING} (there is {near})" if near else MISSING
        return "empty file" if size == 0 else "not a file" if size == _NO_FILE else ""

    def _near(self, place: str, name: str) -> str:
        """An image of the folder with another suffix or case; empty where there is none."""
        if place not in self._stems:
            self._stems[place] = {_stem(other): other for other in sorted(self._sizes[place]) if is_image(other)}
        return text(self._stems[place].get(_stem(name), ""))


def _stem(name: str) -> str:
    return posixpath.splitext(name)[0].casefold()


def key_problem(key: str) -> str:
    """Why a normalised key is none; empty for one that is. A manifest holds UTF-8 and no blanks at the ends."""
    if key.startswith("/") or key == ".." or key.startswith("../"):
        return "key leaves the folder"
    return "" if key == text(key) and "\0" not in key else "unusable file name"


def damaged(paths: Sequence[str], num_workers: int) -> Iterable[str]:
    """Decodes images; yields for each of them why it cannot be decoded, or an empty text."""
    results = run_in_workers(_decode, paths, num_workers=num_workers, seconds_per_job=_SECONDS_PER_IMAGE)
    for result in tqdm.tqdm(results, total=len(paths), desc="decoding", unit="image"):
        yield f"{result.kind} {result.detail}".strip() if isinstance(result, Failure) else ""


def _decode(path: str) -> Failure | None:
    try:
        scaled_size(*read_image(path, _SHORT_SIDE).shape[:2], _SHORT_SIDE)
    except UnreadableError as error:
        return Failure(error.kind, error.detail)
    except (cv2.error, MemoryError) as error:
        return Failure("decoder error", f"({' '.join(str(error).split())})")
    return None


def _sizes(folder: str) -> dict[str, int]:
    """Bytes by name."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: _size(entry) for entry in entries}
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise
        return {}


def _size(entry: os.DirEntry) -> int:
    try:
        return entry.stat().st_size if entry.is_file() else _NO_FILE
    except OSError:  # A link through a file, or back to itself; the others of its folder are none the worse.
        return _NO_FILE
