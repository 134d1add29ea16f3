"""UCF101's official lists (ucfTrainTestlist) and files: who is in which split, and where a video lies.

The class of a video is its folder in the lists, never its file name: the files of HandstandPushups are called
v_HandStandPushups_*.
"""

import dataclasses
import os
import pathlib
import re

from spl_tf.errors import UserError
from tools.ucf101_hmdb51.file_index import FileIndex, video_files
from tools.ucf101_hmdb51.split import Split

_LISTS = "the lists are ucfTrainTestlist of the UCF101 download"
_STEM = re.compile(r"v_.+(_g\d+_c\d+)", re.IGNORECASE)
_FILE_NAME = re.compile(r"v_[A-Za-z]+_g(\d+)_c(\d+)\.avi")


@dataclasses.dataclass(frozen=True)
class Video:
    """One line of a split list.

    file_name has no folder, e.g. v_Archery_g08_c01.avi. The clips of a group were cut from the same recording, so the
    splits keep groups together.
    """

    file_name: str
    class_name: str
    group: int

    @property
    def video_id(self) -> str:
        """Unique in UCF101."""
        return self.file_name.removesuffix(".avi")


def read_classes(folder: str | os.PathLike) -> tuple[str, ...]:
    """The class names of classInd.txt; the official id of the first one is 1.

    Raises:
      UserError: the file is missing, or its ids are not 1, 2, 3, ...
    """
    path = pathlib.Path(folder) / "classInd.txt"
    names = []
    for number, line in enumerate(_lines(path), start=1):
        class_id, _, name = line.partition(" ")
        if class_id != str(number) or not name:
            raise UserError(f"{path} line {number} is {line!r}, not '{number} <class>': {_LISTS}")
        names.append(name)
    return tuple(names)


def read_split(folder: str | os.PathLike, number: int) -> Split[Video]:
    """The official split 1, 2 or 3, in the order of its lists.

    Raises:
      UserError: a list is missing, or a line does not fit the classes.
    """
    folder = pathlib.Path(folder)
    classes = read_classes(folder)
    return Split(
        train=_read_list(folder / f"trainlist{number:02d}.txt", classes),
        test=_read_list(folder / f"testlist{number:02d}.txt", classes),
    )


def find_videos(folder: str | os.PathLike) -> FileIndex:
    """All videos v_*_g<group>_c<clip> anywhere below a folder.

    Raises:
      UserError: the folder is missing or has no such file.
    """
    paths = [path for path in video_files(folder) if _STEM.fullmatch(path.stem)]
    if not paths:
        raise UserError(f"no v_*_g01_c01.avi files in {folder}: give the folder that UCF101.rar was unpacked to")
    return FileIndex(paths, lambda path: _tail(path.name))


def path_of(video: Video, found: FileIndex) -> pathlib.Path | None:
    """The file of a video among those of `find_videos`, whatever its suffix and case."""
    return next(iter(found.find(video.file_name)), None)


def near_name(video: Video, found: FileIndex) -> str:
    """The name of a file that may be meant: of the same group and clip."""
    return found.near(video.file_name, _tail(video.file_name))


def _tail(name: str) -> str:
    """`_g08_c01`."""
    stem = _STEM.fullmatch(os.path.splitext(name)[0])
    return stem[1].lower() if stem else ""


def _read_list(path: pathlib.Path, classes: tuple[str, ...]) -> tuple[Video, ...]:
    return tuple(_parse(line, classes, f"{path} line {number}") for number, line in enumerate(_lines(path), start=1))


def _parse(line: str, classes: tuple[str, ...], where: str) -> Video:
    """Reads `Class/v_Class_g08_c01.avi`, in training lists followed by the class's official id."""
    location, _, class_id = line.partition(" ")
    class_name, _, file_name = location.partition("/")
    name = _FILE_NAME.fullmatch(file_name)
    if name is None or class_name not in classes:
        raise UserError(f"{where} is {line!r}, not '<class>/v_<class>_g<group>_c<clip>.avi': {_LISTS}")
    if class_id and class_id != str(classes.index(class_name) + 1):
        raise UserError(f"{where}: {class_name} has id {class_id}, in classInd.txt {classes.index(class_name) + 1}")
    return Video(file_name, class_name, int(name[1]))


def _lines(path: pathlib.Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {_LISTS}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
