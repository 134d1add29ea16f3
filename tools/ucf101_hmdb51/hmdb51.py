"""HMDB51's official lists (testTrainMulti_7030_splits) and files: who is in which split, and where a video lies.

A split is a file per class, `<class>_test_split<N>.txt`, with lines `<file>.avi <tag>`: tag 1 is training, 2 is test,
0 is neither. A video is its class and its file name: nothing promises that a name occurs in one class only. Names are
bytes, as in the file system: some lists and archives have Latin-1 in them.
"""

import dataclasses
import os
import pathlib

from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from tools.ucf101_hmdb51.file_index import FileIndex, video_files
from tools.ucf101_hmdb51.split import Split

_LISTS = "the lists are testTrainMulti_7030_splits of the HMDB51 download"
_TRAIN, _TEST, _UNUSED = "1", "2", "0"


@dataclasses.dataclass(frozen=True)
class Video:
    """A line of a list; file_name has no folder."""

    file_name: str
    class_name: str

    @property
    def video_id(self) -> str:
        """Unique in HMDB51."""
        return f"{self.class_name}/{text(self.file_name.removesuffix('.avi'))}"


def read_classes(folder: str | os.PathLike) -> tuple[str, ...]:
    """The sorted names of the classes that have a list, of whatever split.

    Raises:
      UserError: there are no lists.
    """
    names = {path.stem.rpartition("_test_split")[0] for path in pathlib.Path(folder).glob("*_test_split[123].txt")}
    if not names:
        raise UserError(f"no <class>_test_split1.txt files in {folder}: {_LISTS}")
    return tuple(sorted(names))


def read_split(folder: str | os.PathLike, number: int) -> Split[Video]:
    """The official split 1, 2 or 3, by class, then in the order of its list.

    Raises:
      UserError: the list of a class is missing, or a line is none of a list.
    """
    chosen: dict[str, list[Video]] = {_TRAIN: [], _TEST: [], _UNUSED: []}
    for class_name in read_classes(folder):
        path = pathlib.Path(folder) / f"{class_name}_test_split{number}.txt"
        for line_number, line in enumerate(_lines(path), start=1):
            file_name, _, tag = line.rpartition(" ")  # Names may have spaces.
            if not file_name.strip().endswith(".avi") or tag not in chosen:
                raise UserError(f"{path} line {line_number} is {text(line)!r}, not '<file>.avi <0, 1 or 2>': {_LISTS}")
            chosen[tag].append(Video(file_name.strip(), class_name))
    return Split(train=tuple(chosen[_TRAIN]), test=tuple(chosen[_TEST]))


def find_videos(folder: str | os.PathLike) -> FileIndex:
    """All videos anywhere below a folder.

    Raises:
      UserError: the folder is missing or has no such file.
    """
    paths = video_files(folder)
    if not paths:
        raise UserError(f"no .avi files in {folder}: give the folder that the .rar files of the classes unpacked to")
    return FileIndex(paths, lambda path: path.parent.name.lower())


def path_of(video: Video, found: FileIndex) -> pathlib.Path | None:
    """The file in a folder called like the class, else the only file of that name, whatever its suffix and case."""
    paths = found.find(video.file_name)
    in_class = [path for path in paths if path.parent.name.lower() == video.class_name.lower()]
    if in_class:
        return in_class[0]
    return paths[0] if len(paths) == 1 else None


def near_name(video: Video, found: FileIndex) -> str:
    """The name of a file that may be meant: in a folder called like the class."""
    return found.near(video.file_name, video.class_name.lower())


def _lines(path: pathlib.Path) -> list[str]:
    try:
        content = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {_LISTS}") from error
    return [line.strip() for line in content.splitlines() if line.strip()]
