"""What a recipe is doing, seen from outside: by the markers of its steps and the videos it renders."""

import dataclasses
import json
import pathlib

START = "start"  # imports, and the look at what is done already
VIDEOS = "videos"
BETWEEN = "between steps"

_MARKERS = ("shards/*/step.json", "seed*/*/step.json", "seed*/*/*/step.json")
_RENDERED = "videos/rendered.json"

POLL_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class Span:
    """A step of an undisturbed run, in seconds after the start of its process."""

    step: str
    begin: float
    end: float


class Watch:
    """One session of the recipe, from one start of the process to its end. Make it before the process is started.

    A marker without a result may be left from an earlier session: a step runs when its marker was written in this one.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._markers_before = self._markers()
        self._renderings_before = self._renderings()

    def step(self) -> str:
        """The step that is running, e.g. "seed0/spl_b/pretrain"; or START, VIDEOS or BETWEEN."""
        markers = self._markers()
        written = [path for path in markers if markers[path] != self._markers_before.get(path)]
        for path in sorted(written, key=markers.__getitem__, reverse=True):
            if not _is_finished(path):
                return self._name(path)
        if written:
            return BETWEEN
        rendering = self._renderings() != self._renderings_before and not (self._folder / _RENDERED).exists()
        return VIDEOS if rendering else START

    def finished(self) -> set[str]:
        """Steps whose result stands, whichever session made it."""
        finished = {self._name(path) for path in self._markers() if _is_finished(path)}
        return finished | {VIDEOS} if (self._folder / _RENDERED).exists() else finished

    def _name(self, marker: pathlib.Path) -> str:
        return marker.parent.relative_to(self._folder).as_posix()

    def _markers(self) -> dict[pathlib.Path, int]:
        return _times(path for pattern in _MARKERS for path in self._folder.glob(pattern))

    def _renderings(self) -> dict[pathlib.Path, int]:
        """Folders of videos; a folder's time is that of its newest entry."""
        return _times(path for path in self._folder.glob("videos/*") if path.is_dir())


def _times(paths) -> dict[pathlib.Path, int]:
    times = {}
    for path in paths:
        try:
            times[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # Its step is being removed.
            continue
    return times


def _is_finished(marker: pathlib.Path) -> bool:
    try:
        return json.loads(marker.read_text(encoding="utf-8"))["result"] is not None
    except FileNotFoundError:
        return False
