"""Makes the manifest of Mini-Kinetics-200 from its id list, Kinetics' CSV files and downloaded videos.

  python -m tools.kinetics200.manifest --ids=train_ytid_list.txt --csv=kinetics_400_train.csv
      --videos=kinetics --output=train.csv --classes=classes.txt

--ids is train_ytid_list.txt or val_ytid_list.txt: one YouTube id a line, without label and time. These
come from --csv, repeatable: label,youtube_id,time_start,time_end, also spelled label-name, video-id,
start-time, "Start time" and the like. Of several rows with one id the first is kept.

--videos is searched in depth, class folders or not. Two forms of names are known:

  <id>_000012_000022.mp4  cut already; the interval must be that of the CSV file, to the second
  <id>.mp4                the whole upload, also "Title [<id>].mp4": start and end go into the manifest.
                          With --trimmed such files are taken as cut already.

A cut file is preferred to a whole upload, a file in a folder replacement_for_corrupted_k400 to its
namesake elsewhere. Any usual suffix will do.

Written, for --output=train.csv:

  train.csv            video_id,path,label,start,end,address in the order of the id list; path is
                       relative to train.csv; start and end (seconds) are empty for a cut file
  train.missing.csv    what gave no row, each with its reason: in no CSV file, damaged row, repeated
                       id, not downloaded, ...; with the addresses, so that --exclude of spl_tf.shard
                       also keeps out the videos of a test set that are not downloaded
  train.addresses.txt  the addresses of what is not downloaded: a batch file for yt-dlp
  --classes            the classes of the list, sorted, whether downloaded or not. A file that is
                       there already is left as it is, and must have all of them.

No video is opened; spl_tf.shard rejects the damaged ones.
"""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from spl_tf.labels.classes import read_classes
from spl_tf.text_tables import counted, reason_kind
from tools.collect import tables
from tools.kinetics200 import annotations, downloads

FLAGS = flags.FlagValues()
flags.DEFINE_string("ids", None, "List of YouTube ids.", flag_values=FLAGS)
flags.DEFINE_multi_string("csv", [], "CSV file of Kinetics, repeatable.", flag_values=FLAGS)
flags.DEFINE_string("videos", None, "Folder of downloaded videos.", flag_values=FLAGS)
flags.DEFINE_boolean("trimmed", False, "Files called <id>.mp4 are cut already.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "CSV file for the manifest.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "Text file for the classes.", flag_values=FLAGS)

COLUMNS = ("video_id", "path", "label", "start", "end", "address")
MISSING_COLUMNS = ("video_id", "label", "start", "end", "address", "source", "reason")
_MISSING = ".missing.csv"
_ADDRESSES = ".addresses.txt"
_NOT_DOWNLOADED = "not downloaded"


def main() -> None:
    command.require_flags(FLAGS, "ids", "csv", "videos", "output", "classes")
    if not os.path.isdir(FLAGS.videos):
        raise UserError(f"{FLAGS.videos} is no folder: check --videos")
    output = tables.output_path(FLAGS.output, (_MISSING, _ADDRESSES), [FLAGS.ids, *FLAGS.csv, FLAGS.classes])
    ids, damaged_ids = annotations.read_ids(pathlib.Path(FLAGS.ids))
    annotated, damaged_rows = annotations.read_annotations([pathlib.Path(path) for path in FLAGS.csv], ids)
    if not annotated:
        raise UserError(f"none of the {len(ids):,} ids of {FLAGS.ids} is in {', '.join(FLAGS.csv)}: check --csv")
    classes = _classes(pathlib.Path(FLAGS.classes), {annotation.label for annotation in annotated.values()})
    # Without links on the way, `..` in a relative path leads where it says.
    found = downloads.find(os.path.realpath(FLAGS.videos))
    rows, problems = join(ids, annotated, damaged_rows, found, trimmed=FLAGS.trimmed)
    print(write(output, rows, [*damaged_ids, *problems], classes))


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the manifest; whole: the file is the upload, of which the annotation's interval counts."""

    video_id: str
    path: str
    annotation: annotations.Annotation
    whole: bool


def join(
    ids: Sequence[str],
    annotated: Mapping[str, annotations.Annotation],
    damaged_rows: Sequence[annotations.Problem],
    found: Mapping[str, Sequence[downloads.Download]],
    *,
    trimmed: bool = False,
) -> tuple[list[Row], list[annotations.Problem]]:
    """One row for every id that has an annotation and a file, in the order of the ids, and what gives none.

    Args:
      ids: YouTube ids.
      annotated: by id.
      damaged_rows: rows of the CSV files that gave no annotation; they become part of the second result.
      found: files by id.
      trimmed: files without an interval in their name are cut already.
    """
    explained = {problem.video_id for problem in damaged_rows}
    rows, problems = [], list(damaged_rows)
    for video_id in ids:
        annotation = annotated.get(video_id)
        if annotation is None:
            if video_id not in explained:
                problems.append(annotations.Problem("in no CSV file", video_id=video_id))
            continue
        files_of_id = found.get(video_id, ())
        chosen = downloads.choose(files_of_id, annotation)
        if chosen is None:
            names = ", ".join(os.path.basename(download.path) for download in files_of_id)
            reason = f"cut to another interval ({names})" if names else _NOT_DOWNLOADED
        else:  # No manifest can hold a folder's name that is not UTF-8.
            reason = "" if chosen.path == text(chosen.path) else "unusable file name"
        if reason:
            problems.append(annotations.Problem(reason, annotation.source, video_id, annotation))
        else:
            rows.append(Row(video_id, chosen.path, annotation, chosen.interval is None and not trimmed))
    return rows, problems


def write(
    output: pathlib.Path, rows: Sequence[Row], problems: Sequence[annotations.Problem], classes: Sequence[str]
) -> str:
    """Writes the manifest, the list of what is missing and that of addresses; returns a summary."""
    folder = os.path.realpath(output.parent)
    lines = []
    for row in rows:
        interval = (row.annotation.start, row.annotation.end) if row.whole else (None, None)
        path = os.path.relpath(row.path, folder)
        lines.append((row.video_id, path, row.annotation.label, *interval, address(row.video_id)))
    tables.write(output, COLUMNS, lines)
    tables.write(output.with_suffix(_MISSING), MISSING_COLUMNS, map(_missing_line, problems))
    waiting = [address(problem.video_id) for problem in problems if problem.reason == _NOT_DOWNLOADED]
    files.write_lines(output.with_suffix(_ADDRESSES), waiting)

    per_class = collections.Counter(row.annotation.label for row in rows)
    counts = sorted(per_class[name] for name in classes)
    summary = [f"{output}: {len(rows):,} videos, {len(classes)} classes with {counts[0]} to {counts[-1]} videos each"]
    if problems:
        listed = counted(reason_kind(problem.reason) for problem in problems)
        summary.append(f"{len(problems):,} entries gave none ({listed}): see {output.with_suffix(_MISSING).name}")
    if waiting:
        summary.append(f"{len(waiting):,} videos to download: see {output.with_suffix(_ADDRESSES).name}")
    return "\n".join(summary)


def address(video_id: str) -> str:
    return f"https://www.youtube.com/watch?v={video_id}"


def _missing_line(problem: annotations.Problem) -> tuple[object, ...]:
    readable = annotations.ID.fullmatch(problem.video_id)
    annotation = problem.annotation
    return (
        problem.video_id,
        *((annotation.label, annotation.start, annotation.end) if annotation else (None, None, None)),
        address(problem.video_id) if readable else None,
        problem.source,
        problem.reason,
    )


def _classes(path: pathlib.Path, labels: set[str]) -> tuple[str, ...]:
    """The classes of the file that is there, else the labels, which are written to it in sorted order.

    Raises:
      UserError: the file that is there lacks a label.
    """
    if not path.exists():
        files.write_lines(path, sorted(labels))
        return tuple(sorted(labels))
    classes = read_classes(path)
    unknown = sorted(labels - set(classes))
    if unknown:
        raise UserError(f"{path} has no class {unknown[0]!r}: remove it, or choose another file for --classes")
    return classes


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
