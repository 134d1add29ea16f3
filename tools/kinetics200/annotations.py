"""Mini-Kinetics-200's id lists, and the CSV files of Kinetics that say what an id shows and when."""

import dataclasses
import math
import pathlib
import re
from collections.abc import Collection, Sequence

import tqdm

from spl_tf.errors import UserError
from tools.collect import tables

ID = re.compile(r"[A-Za-z0-9_-]{11}")

# Our name of a column -> the ones that circulate, compared without case, with _ for space and hyphen.
_COLUMNS = {
    "youtube_id": ("youtube_id", "video_id", "youtube_identifier", "ytid", "id"),
    "label": ("label", "label_name", "class_label", "class_name", "class"),
    "time_start": ("time_start", "start_time", "start_seconds", "start"),
    "time_end": ("time_end", "end_time", "end_seconds", "end"),
}


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What a row of Kinetics says: the upload shows `label` from `start` to `end` (seconds).

    source names the file and row.
    """

    label: str
    start: float
    end: float
    source: str


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that gives no video. What stands before a bracket in the reason is counted.

    Attributes:
      reason: as a user reads it.
      source: file and row or line; empty where none is to blame.
      video_id: as it is written there.
      annotation: where there is one.
    """

    reason: str
    source: str = ""
    video_id: str = ""
    annotation: Annotation | None = None


def read_ids(path: pathlib.Path) -> tuple[list[str], list[Problem]]:
    """The distinct YouTube ids of a list, one a line, in its order, and the lines that are none or repeat one.

    Raises:
      UserError: the file is missing or holds no id.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path} is no file: check --ids") from error
    first_lines: dict[str, int] = {}
    problems = []
    for number, video_id in enumerate(map(str.strip, lines), 1):
        source = f"{path} line {number}"
        if not video_id:
            continue
        if not ID.fullmatch(video_id):
            problems.append(Problem("damaged id (not 11 letters, digits, _ or -)", source, video_id))
        elif first_lines.setdefault(video_id, number) != number:
            problems.append(Problem(f"repeated id (see line {first_lines[video_id]})", source, video_id))
    if not first_lines:
        raise UserError(f"{path} has no YouTube ids: give a list of Mini-Kinetics-200, one id of 11 characters a line")
    return list(first_lines), problems


def read_annotations(
    paths: Sequence[pathlib.Path], wanted: Collection[str]
) -> tuple[dict[str, Annotation], list[Problem]]:
    """Finds the wanted ids in CSV files of Kinetics; of several rows with one id the first is kept.

    Rows of other ids are passed over, rows whose id cannot be read are problems: it may have been a wanted one.

    Args:
      paths: the files.
      wanted: the ids.

    Returns:
      id -> annotation, and the rows that cannot be used or repeat an id.

    Raises:
      UserError: a file cannot be read as a table or lacks a column.
    """
    wanted = frozenset(wanted)
    found: dict[str, Annotation] = {}
    problems = []
    for path in paths:
        rows = tables.read(path, (), "--csv")
        if not rows:
            raise UserError(f"{path} has no rows: give a CSV file of Kinetics")
        column = _columns(path, list(rows[0]))
        for number, row in enumerate(tqdm.tqdm(rows, desc=path.name, unit="row"), 1):
            video_id, source = row[column["youtube_id"]], f"{path} row {number}"
            readable = ID.fullmatch(video_id) is not None
            if readable and video_id not in wanted:
                continue
            label, times = row[column["label"]], (row[column["time_start"]], row[column["time_end"]])
            start, end = map(_seconds, times)
            first = found.get(video_id)
            if not readable:
                problems.append(Problem(f"damaged row (id {video_id!r})", source, video_id))
            elif not label:
                problems.append(Problem("damaged row (no label)", source, video_id))
            elif not 0 <= start < end < math.inf:
                problems.append(Problem(f"damaged row (from {times[0]!r} to {times[1]!r})", source, video_id))
            elif first is None:
                found[video_id] = Annotation(label, start, end, source)
            elif (label, start, end) == (first.label, first.start, first.end):
                problems.append(Problem(f"repeated row (see {first.source})", source, video_id, first))
            else:
                contradicting = Annotation(label, start, end, source)
                problems.append(Problem(f"contradicting row (see {first.source})", source, video_id, contradicting))
    return found, problems


def _columns(path: pathlib.Path, names: Sequence[str]) -> dict[str, str]:
    """Our name of each column -> that of the file."""
    spelled = {re.sub(r"[\s-]+", "_", name.lower()): name for name in reversed(names)}
    columns = {}
    for ours, spellings in _COLUMNS.items():
        known = [spelled[spelling] for spelling in spellings if spelling in spelled]
        if not known:
            raise UserError(f"{path} has no column {ours!r} (it has {', '.join(names)}): give a CSV file of Kinetics")
        columns[ours] = known[0]
    return columns


def _seconds(cell: str) -> float:
    """nan for what is not a number."""
    try:
        return float(cell)
    except ValueError:
        return math.nan
