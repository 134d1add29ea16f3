"""The files of a download of Kinetics: whole uploads `<id>.mp4`, or cuts `<id>_000012_000022.mp4`."""

import dataclasses
import os
import re
from collections.abc import Sequence

from tools.collect import results
from tools.kinetics200.annotations import ID, Annotation

# Where the archive of mended files, replacement_for_corrupted_k400.tgz, unpacks to.
_MENDED = "replacement_for_corrupted_k400"

_STEM = re.compile(rf"({ID.pattern})(?:_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?))?")

# Names hold whole seconds, lists sometimes fractions.
_TOLERANCE_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Download:
    """A file of an upload; interval is the part (seconds) its name says it was cut to, None without one."""

    path: str
    interval: tuple[float, float] | None

    def shows(self, annotation: Annotation) -> bool:
        """Whether the file was cut to this annotation."""
        if self.interval is None:
            return False
        start, end = self.interval
        return max(abs(start - annotation.start), abs(end - annotation.end)) < _TOLERANCE_SECONDS


def find(folder: str | os.PathLike) -> dict[str, list[Download]]:
    """The video files in a folder and those below it, by YouTube id; other names are passed over.

    Of files of one name, that in a folder `replacement_for_corrupted_k400` is taken.
    """
    stems = results.videos_by_stem(folder)
    for place, folders, _ in os.walk(folder):
        folders.sort()
        if os.path.basename(place) == _MENDED:
            stems.update(results.videos_by_stem(place))
    found: dict[str, list[Download]] = {}
    for stem, path in stems.items():
        name = _STEM.fullmatch(stem)
        if name:
            interval = (float(name[2]), float(name[3])) if name[2] else None
            found.setdefault(name[1], []).append(Download(path, interval))
    return found


def choose(downloads: Sequence[Download], annotation: Annotation) -> Download | None:
    """The file that was cut to the annotation, else the one without an interval in its name, else None."""
    cut = [download for download in downloads if download.shows(annotation)]
    whole = [download for download in downloads if download.interval is None]
    return next(iter(cut + whole), None)
