"""What a ucf6 folder shows of each UCF101 file: the whole of it, or cuts inside uploads."""

import collections
import csv
import dataclasses
import pathlib
import re

from spl_tf.errors import UserError

_NAME = re.compile(r"v_(?P<action>.+)_g(?P<group>\d+)_c\d+")
_FOLDER = pathlib.Path(__file__).parent
LATENESS = 0.36
"""How late a cut may begin, seconds: ucf6's uploads are up to 8 frames longer than their cuts. None begins early."""
_FRAME = 0.04


@dataclasses.dataclass(frozen=True)
class Cut:
    """Seconds `start` to `start + length` of a video; a length of None is the whole video."""

    path: pathlib.Path
    start: float = 0.0
    length: float | None = None


@dataclasses.dataclass(frozen=True)
class Part:
    """A stretch of an upload: what it shows, its length by web_segments.csv, and what of it surely shows that."""

    source: str
    seconds: float
    cut: Cut


@dataclasses.dataclass(frozen=True)
class Upload:
    """A line of web.csv: its columns, its video, x264's quality, and the parts it is joined from."""

    row: dict[str, str]
    path: pathlib.Path
    crf: int
    parts: tuple[Part, ...]

    @property
    def seconds(self) -> float:
        """By web_segments.csv."""
        return sum(part.seconds for part in self.parts)


@dataclasses.dataclass(frozen=True)
class Footage:
    """The UCF101 files of a set.

    Attributes:
      sources: name without suffix -> where it is seen: a clean video as a whole, any other by its cuts in uploads.
      uploads: in the order of web.csv, without those in `left_out`.
      left_out: video_id -> why: near-duplicates of an upload before, and copies of clean videos.
    """

    sources: dict[str, tuple[Cut, ...]]
    uploads: tuple[Upload, ...]
    left_out: dict[str, str]


def read_footage(data: pathlib.Path) -> Footage:
    """Reads the lists of a ucf6 folder; its own web_segments.csv if there is one, else that beside this file.

    Raises:
      UserError: a list is missing, or lists disagree.
    """
    sources: dict[str, list[Cut]] = {}
    for name in ("test.csv", "target_train.csv"):
        for row in _read(data / name):
            sources[pathlib.Path(row["path"]).stem] = [Cut((data / row["path"]).resolve())]
    clean = set(sources)
    own = data / "web_segments.csv"
    cuts = collections.defaultdict(list)
    for row in _read(own if own.is_file() else _FOLDER / own.name):
        cuts[row["video_id"]].append(row)
    uploads, left_out, first_with = [], {}, {}
    for row in _read(data / "web.csv"):
        if not (found := sorted(cuts[row["video_id"]], key=lambda cut: int(cut["order"]))):
            raise UserError(f"{own} has no cuts of {row['video_id']}, which {data / 'web.csv'} lists")
        path = (data / row["path"]).resolve()
        parts = _parts(path, found)
        made_of = tuple((cut["source"], cut["start_s"], cut["length_s"]) for cut in found)
        twin = first_with.setdefault(made_of, row["video_id"])
        if parts is None:
            left_out[row["video_id"]] = "copy of a clean video"
        elif twin != row["video_id"]:
            left_out[row["video_id"]] = f"near-duplicate of {twin}"
        else:
            uploads.append(Upload(row, path, int(found[0]["crf"]), parts))
            for part in parts:
                if part.source not in clean:
                    sources.setdefault(part.source, []).append(part.cut)
    for source in sources:
        recording(source)  # Other names are refused before anything is made.
    return Footage({name: tuple(found) for name, found in sorted(sources.items())}, tuple(uploads), left_out)


def recording(source: str) -> tuple[str, str]:
    """(action, group): what UCF101's files of one recording have in common.

    Raises:
      UserError: it is not named like a file of UCF101.
    """
    if (found := _NAME.fullmatch(source)) is None:
        raise UserError(f"{source} has no name like UCF101's, v_<action>_g<group>_c<clip>: rename it")
    return found["action"], found["group"]


def _parts(path: pathlib.Path, cuts: list[dict[str, str]]) -> tuple[Part, ...] | None:
    """The parts of an upload; None for a copy of a whole video."""
    parts: list[Part] = []
    begin = 0.0
    for cut in cuts:
        if not cut["length_s"]:
            return None
        length = float(cut["length_s"])
        late = LATENESS if parts else 0.0
        surely = Cut(path, begin + late, length - late - _FRAME)
        parts.append(Part(pathlib.Path(cut["source"]).stem, length, surely))
        begin += length
    return tuple(parts)


def _read(path: pathlib.Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise UserError(f"{path} does not exist: python -m tools.ucf6.rebuild makes the set, see tools/ucf6/README.md")
    with open(path, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))
