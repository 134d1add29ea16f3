"""The manifest: which videos there are, and which classes each was queried for."""

import collections
import dataclasses
import math
import os
import pathlib
import stat
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from spl_tf.data.file_kinds import is_image, kind_without_picture
from spl_tf.data.lists.class_folders import check_class_folders
from spl_tf.data.lists.csv_tables import PATH, text
from spl_tf.data.lists.ids import ids_of_paths, segment_id
from spl_tf.data.lists.labels import class_ids, texts, unknown_label
from spl_tf.data.lists.numbers import END, FPS, START, is_usable_fps, read_frames_fps, read_interval, read_rank
from spl_tf.data.lists.rows import ADDRESS, VIDEO_ID, read_rows
from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.remote import addresses, mirror

QUERIES = "queries"
QUERY = "query"
KEY = "key"


@dataclasses.dataclass(frozen=True, slots=True)  # There may be a million of them.
class Video:
    """One usable row of the manifest.

    Attributes:
      path: the file, or the folder of frames, resolved against the manifest's folder.
      listed_path: the same as the manifest has it.
      video_id: unique in the manifest.
      labels: class ids, at least one.
      label_texts: their names.
      start_seconds: clips are cut from here on.
      end_seconds: clips are cut up to here; infinity for the video's end.
      queries: all queries that found the upload.
      id_is_given: whether the manifest gives the video_id; else it is made from the path.
      rank: place among the search results, the lowest is the best; infinity where the manifest gives none.
      address: where the upload was found, as the manifest has it.
      segment_of: id of the upload that the manifest lists with several intervals; empty where it has one.
      frames_fps: frames per second of a folder of frames; None for a file.
      key: of the upload's row in a table of metadata, as the manifest has it; empty where it has none.
    """

    path: str
    listed_path: str
    video_id: str
    labels: tuple[int, ...]
    label_texts: tuple[str, ...]
    start_seconds: float
    end_seconds: float
    queries: tuple[str, ...]
    id_is_given: bool = False
    rank: float = math.inf
    address: str = ""
    segment_of: str = ""
    frames_fps: float | None = None
    key: str = ""

    @property
    def interval(self) -> tuple[float, float]:
        return self.start_seconds, self.end_seconds

    @property
    def upload_id(self) -> str:
        """Shared by all segments of an upload."""
        return self.segment_of or self.video_id


@dataclasses.dataclass(frozen=True)
class Rejection:
    """A row that gives no clip. `kind` is counted, `detail` says more about this one.

    A duplicate has a `partner`, the video_id of the one that is kept or what names a held-out video, and
    its `distance` from it: 0 for the same upload or the same content, None where contents were not compared.
    """

    path: str
    video_id: str
    label: str
    kind: str
    detail: str = ""
    partner: str = ""
    distance: float | None = None

    @property
    def reason(self) -> str:
        return f"{self.kind} {self.detail}".strip()


def read_manifest(
    path: Path, classes: Sequence[str], label_column: str, frames_fps: float | None = None
) -> list[Video | Rejection]:
    """Reads a manifest of any form, see `spl_tf.data.lists.rows`: one entry per row, in the order of the rows.

    Rows with the same video_id and interval are the same upload, see `spl_tf.data.duplicates.uploads.merge_repeated`.
    With other intervals they are segments of it, each a video of its own: `v7#1.5-4`.

    Args:
      path: the manifest, or a folder whose subfolders are named by class. Relative paths in it start at its folder.
      classes: ordered class names.
      label_column: the column with the class names, or their ids; several are separated by `|`
        (in JSONL also a list).
      frames_fps: frames per second of folders of frames, where a row has no `fps`; None takes no folder without.

    Raises:
      UserError: the file cannot be read as a table, is empty, lacks a column, or counts classes from 1.
    """
    path = pathlib.Path(path)
    rows = list(read_rows(path, label_column=label_column, with_frame_folders=frames_fps is not None))
    if not rows:
        what = "no files in folders named by class" if path.is_dir() else "no rows: give one line per video"
        raise UserError(f"{path} has {what}")
    columns = dict.fromkeys(column for row in rows for column in row)
    for column in (PATH, label_column):
        if column not in columns:
            has = ", ".join(name for name in columns if name)
            raise UserError(f"{path} has no column {column!r} (it has {has}): see --label_column, or add the column")
    folder = path if path.is_dir() else path.parent
    ids_of_classes = _class_ids(rows, label_column, classes, path)
    if path.is_dir():
        check_class_folders(path, [row[label_column] for row in rows], ids_of_classes)
    reader = _RowReader(folder, label_column, tuple(classes), ids_of_classes, frames_fps)
    given = {text(row.get(VIDEO_ID)) for row in rows}
    ids = ids_of_paths([text(row.get(PATH)) for row in rows], given)
    if addresses.address_of(folder):
        mirror.refresh(*(os.path.join(folder, text(row.get(PATH))) for row in rows))
    # Every file is looked at, which takes minutes for a million of them.
    entries = [
        reader.read(row, text(row.get(VIDEO_ID)) or ids[text(row.get(PATH))])
        for row in tqdm(rows, desc="manifest", unit="row", delay=2)
    ]
    return _segments(entries, path)


@dataclasses.dataclass(frozen=True)
class _RowReader:
    """Reads the rows of one manifest.

    Attributes:
      folder: that relative paths start at.
      label_column: of the labels.
      classes: ordered names.
      class_ids: by label as written.
      frames_fps: of folders of frames, where a row has none.
    """

    folder: pathlib.Path
    label_column: str
    classes: tuple[str, ...]
    class_ids: dict[str, int]
    frames_fps: float | None

    def read(self, row: dict[str, Any], video_id: str) -> Video | Rejection:
        def reject(kind: str, detail: str = "") -> Rejection:
            label = "|".join(texts(row.get(self.label_column)))
            return Rejection(text(row.get(PATH)), video_id, label, kind, detail)

        listed = text(row.get(PATH))
        if not listed:
            return reject("no path")
        if "\n" in video_id or "\r" in video_id:  # Ids are joined by line breaks in a shard's digest.
            return reject("unusable video_id", "(it has a line break)")
        labels = texts(row.get(self.label_column), self.class_ids)
        if not labels:
            return reject("no label")
        for label in labels:
            if label not in self.class_ids:
                return reject("unknown label", unknown_label(label, self.class_ids, self.classes))
        interval = read_interval(row)
        if interval is None:
            return reject("unusable interval", f"(start {text(row.get(START))!r}, end {text(row.get(END))!r})")
        path = os.path.join(self.folder, listed)
        is_folder, fault = _look_at(path)
        if fault == "no such file" and _is_not_utf8(row[PATH]):
            return reject("file name is not UTF-8", "(rename it)")
        if fault:
            return reject(fault)
        fps = read_frames_fps(row, self.frames_fps) if is_folder else None
        if is_folder and fps is None:
            return reject("not a file", f"(a folder of frames needs a column {FPS!r} or --frames_fps)")
        if fps is not None and not is_usable_fps(fps):
            return reject("unusable fps", f"({text(row.get(FPS))!r})")
        if kind := "" if is_folder else kind_without_picture(path):
            return reject(f"{kind}, no video")
        class_ids = tuple(dict.fromkeys(self.class_ids[label] for label in labels))
        return Video(
            path=path,
            listed_path=listed,
            video_id=video_id,
            labels=class_ids,
            label_texts=tuple(self.classes[class_id] for class_id in class_ids),
            start_seconds=interval[0],
            end_seconds=interval[1],
            queries=tuple(texts(row.get(QUERIES)) or texts(row.get(QUERY))),
            id_is_given=bool(text(row.get(VIDEO_ID))),
            rank=read_rank(row),
            address=text(row.get(ADDRESS)),
            frames_fps=fps,
            key=text(row.get(KEY)),
        )


def _look_at(path: str) -> tuple[bool, str]:
    """Whether it is a folder, and why it is neither that nor a file that holds something."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError for what no file can be called.
        return False, "no such file"
    if stat.S_ISDIR(status.st_mode):  # A folder of frames can be called anything but an image.
        return True, "not a file" if is_image(path) else ""
    if not stat.S_ISREG(status.st_mode):
        return False, "not a file"
    return False, "" if status.st_size else "empty file"


def _is_not_utf8(path: Any) -> bool:
    """Whether a file's name, as the system gave it, has bytes that no text has."""
    return any("\udc80" <= character <= "\udcff" for character in str(path))


def _class_ids(
    rows: Sequence[dict[str, Any]], label_column: str, classes: Sequence[str], path: pathlib.Path
) -> dict[str, int]:
    names = frozenset(classes)
    return class_ids({label for row in rows for label in texts(row.get(label_column), names)}, classes, path)


def _segments(entries: Sequence[Video | Rejection], path: pathlib.Path) -> list[Video | Rejection]:
    """Gives the parts of an upload that is listed with several intervals ids of their own."""
    intervals: dict[str, set[tuple[float, float]]] = collections.defaultdict(set)
    labels: dict[tuple[str, float, float], set[tuple[int, ...]]] = collections.defaultdict(set)
    for entry in entries:
        if isinstance(entry, Video):
            intervals[entry.video_id].add(entry.interval)
            labels[entry.video_id, *entry.interval].add(entry.labels)
    cut = {upload: parts for upload, parts in intervals.items() if len(parts) > 1}
    taken = intervals.keys()
    checked: list[Video | Rejection] = []
    for entry in entries:
        if isinstance(entry, Video) and entry.video_id in cut:
            name = segment_id(entry.video_id, *entry.interval)
            if name in taken:
                listed = "|".join(entry.label_texts)
                detail = f"({name} is the id of another row)"
                entry = Rejection(entry.listed_path, entry.video_id, listed, "duplicate video_id", detail)
            else:
                entry = dataclasses.replace(entry, video_id=name, segment_of=entry.video_id)
        checked.append(entry)
    if cut:
        first = next(iter(cut))
        print(
            f"{path}: {len(cut):,} uploads are listed with several intervals, which become videos of their own, e.g. "
            f"{segment_id(first, *min(cut[first]))}"
        )
    several = [upload for (upload, *_), found in labels.items() if len(found) > 1]
    if several:
        print(
            f"{path}: {len(several):,} videos, {several[0]} first, are listed again with another label: of each the "
            "best-ranked row stays, then the first; the others are duplicates in rejected.csv. A video with several "
            "labels is one row with 'a|b'"
        )
    return checked
