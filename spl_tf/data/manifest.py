"""The manifest: which videos there are, and which classes each was queried for."""

import collections
import csv
import dataclasses
import difflib
import functools
import json
import math
import os
import pathlib
import stat
from collections.abc import Iterator, Sequence
from typing import Any

from tqdm import tqdm

from spl_tf.errors import UserError
from spl_tf.files import Path

PATH = "path"
VIDEO_ID = "video_id"
START = "start"
END = "end"
QUERIES = "queries"
QUERY = "query"
RANK = "rank"
ADDRESS = "address"


@dataclasses.dataclass(frozen=True, slots=True)  # There may be a million of them.
class Video:
    """One usable row of the manifest.

    Attributes:
      path: the file, resolved against the manifest's folder.
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

    @property
    def interval(self) -> tuple[float, float]:
        return self.start_seconds, self.end_seconds


@dataclasses.dataclass(frozen=True)
class Rejection:
    """A row that gives no clip. `kind` is counted, `detail` says more about this one.

    A duplicate has a `partner`, the video_id of the one that is kept or what names a held-out video, and
    its `distance` from it: 0 for the same upload or the same content.
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


def read_manifest(path: Path, classes: Sequence[str], label_column: str) -> list[Video | Rejection]:
    """Reads a CSV or JSONL (`.jsonl`, `.json`) manifest: one entry per row, in the order of the rows.

    Rows with the same video_id and interval are the same upload, see `spl_tf.data.duplicates.uploads.merge_repeated`;
    with another interval than the first of them, a row is rejected.

    Args:
      path: the manifest. Relative paths in it start at its folder.
      classes: ordered class names.
      label_column: the column with the class names; several are separated by `|`
        (in JSONL also a list).

    Raises:
      UserError: the file cannot be read as a table, is empty, or lacks a column.
    """
    path = pathlib.Path(path)
    rows = list(read_rows(path))
    if not rows:
        raise UserError(f"{path} has no rows: give one line per video")
    columns = dict.fromkeys(column for row in rows for column in row)
    for column in (PATH, label_column):
        if column not in columns:
            has = ", ".join(name for name in columns if name)
            raise UserError(f"{path} has no column {column!r} (it has {has}): see --label_column, or add the column")
    class_ids = {name: index for index, name in enumerate(classes)}
    derived_ids = _derive_ids(rows)
    entries: list[Video | Rejection] = []
    first_rows: dict[str, tuple[int, tuple[float, float]]] = {}
    # Every file is looked at, which takes minutes for a million of them.
    with_ids = tqdm(zip(rows, derived_ids, strict=True), total=len(rows), desc="manifest", unit="row", delay=2)
    for number, (row, derived_id) in enumerate(with_ids, 1):
        video_id = text(row.get(VIDEO_ID)) or derived_id
        entry = _read_row(row, path.parent, video_id, label_column, class_ids)
        if isinstance(entry, Video):
            first, interval = first_rows.setdefault(video_id, (number, entry.interval))
            if interval != entry.interval:
                detail = f"(rows {first} and {number} have other intervals)"
                entry = _rejection(row, video_id, label_column, "duplicate video_id", detail)
        entries.append(entry)
    return entries


def read_rows(path: pathlib.Path, flag: str = "--manifest") -> Iterator[dict[str, Any]]:
    """The rows of a CSV or JSONL file, column name -> text (in JSONL any value, see `text`)."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as opened:
            if path.suffix.lower() in (".jsonl", ".json"):
                for number, line in enumerate(opened, 1):
                    if line.strip():
                        yield _json_row(path, number, line)
            else:
                yield from csv.DictReader(opened, restval="")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"manifest {path} is no file: check {flag}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"manifest {path} is not UTF-8 text: save it as a UTF-8 CSV or JSONL file") from error
    except csv.Error as error:
        raise UserError(f"manifest {path} is not a CSV file ({error}): save it as UTF-8 CSV or JSONL") from error


def _json_row(path: pathlib.Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # The former also for a number of thousands of digits.
        raise UserError(f"line {number} of {path} is not JSON ({error}): give one object per line") from error
    if not isinstance(row, dict):
        raise UserError(f"line {number} of {path} is not a JSON object: give one object per line")
    return row


def _derive_ids(rows: list[dict[str, Any]]) -> list[str]:
    """One id per row for rows without a video_id: the shortest of the path's forms that no other upload shares."""
    uploads = [(text(row.get(PATH)), text(row.get(START)), text(row.get(END))) for row in rows]
    given = {text(row.get(VIDEO_ID)) for row in rows}
    ids: dict[tuple[str, str, str], str] = {}
    pending = list(dict.fromkeys(uploads))
    for form in (_stem, _path_without_suffix, _whole_path, _path_and_interval):
        counts = collections.Counter(form(*upload) for upload in pending)
        found = {u: form(*u) for u in pending if counts[form(*u)] == 1 and form(*u) not in given}
        given.update(found.values())
        ids.update(found)
        pending = [upload for upload in pending if upload not in found]
    return [ids.get(upload) or _path_and_interval(*upload) for upload in uploads]


def _stem(path: str, start: str, end: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _path_without_suffix(path: str, start: str, end: str) -> str:
    return os.path.splitext(path)[0]


def _whole_path(path: str, start: str, end: str) -> str:
    return path


def _path_and_interval(path: str, start: str, end: str) -> str:
    return f"{path}#{start}-{end}"


def _read_row(
    row: dict[str, Any], folder: pathlib.Path, video_id: str, label_column: str, class_ids: dict[str, int]
) -> Video | Rejection:
    def reject(kind: str, detail: str = "") -> Rejection:
        return _rejection(row, video_id, label_column, kind, detail)

    if not text(row.get(PATH)):
        return reject("no path")
    if "\n" in video_id or "\r" in video_id:  # Ids are joined by line breaks in a shard's digest.
        return reject("unusable video_id", "(it has a line break)")
    names = _texts(row.get(label_column), class_ids)
    if not names:
        return reject("no label")
    for name in names:
        if name not in class_ids:
            return reject("unknown label", repr(name) + _near_miss(name, tuple(class_ids)))
    interval = read_interval(row)
    if interval is None:
        return reject("unusable interval", f"(start {text(row.get(START))!r}, end {text(row.get(END))!r})")
    path = os.path.join(folder, text(row[PATH]))
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError for what no file can be called.
        return reject("no such file")
    if not stat.S_ISREG(status.st_mode):
        return reject("not a file")
    if status.st_size == 0:
        return reject("empty file")
    return Video(
        path=path,
        listed_path=text(row[PATH]),
        video_id=video_id,
        labels=tuple(class_ids[name] for name in names),
        label_texts=tuple(names),
        start_seconds=interval[0],
        end_seconds=interval[1],
        queries=tuple(_texts(row.get(QUERIES)) or _texts(row.get(QUERY))),
        id_is_given=bool(text(row.get(VIDEO_ID))),
        rank=_rank(row.get(RANK)),
        address=text(row.get(ADDRESS)),
    )


def read_interval(row: dict[str, Any]) -> tuple[float, float] | None:
    """Start and end of a row in seconds, the whole video where it gives none; None when it is no interval."""
    start, end = _seconds(row.get(START), 0.0), _seconds(row.get(END), math.inf)
    return (start, end) if 0 <= start < end else None  # None also where either is not a number (nan).


def _rejection(row: dict[str, Any], video_id: str, label_column: str, kind: str, detail: str) -> Rejection:
    label = "|".join(_texts(row.get(label_column)))
    return Rejection(text(row.get(PATH)), video_id, label, kind, detail)


def text(value: Any) -> str:
    """A cell as text; half a surrogate pair (JSON can hold one) is spelled out, since no file can."""
    return "" if value is None else str(value).strip().encode(errors="backslashreplace").decode()


def _texts(value: Any, whole: Sequence[str] | dict[str, int] = ()) -> list[str]:
    """`a|b` or `["a", "b"]` as distinct names; a text in `whole` is one name even with `|` in it."""
    if isinstance(value, list):
        parts = [text(part) for part in value]
    else:
        parts = [text(value)] if text(value) in whole else [part.strip() for part in text(value).split("|")]
    return list(dict.fromkeys(part for part in parts if part))


def _seconds(value: Any, default: float) -> float:
    """A number of seconds; nan for what is not one."""
    if not text(value):
        return default
    try:
        return float(text(value))
    except ValueError:
        return math.nan


def _rank(value: Any) -> float:
    """Infinity for what is no number."""
    rank = _seconds(value, math.inf)
    return math.inf if math.isnan(rank) else rank


@functools.lru_cache
def _near_miss(name: str, classes: tuple[str, ...]) -> str:
    near = [known for known in classes if known.lower() == name.lower()]
    near = near or difflib.get_close_matches(name, classes, n=1)
    return f" (is it {near[0]!r}?)" if near else ""
