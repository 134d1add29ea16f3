"""Makes the manifest of a multi-label set from its lists, its table of metadata and a folder of downloaded files.

  python -m tools.noisyactions2m.manifest --labels=trainlist.txt --classes=classInd.txt --metadata=metadata.parquet \\
      --videos=videos --output=web.csv
  python -m tools.noisyactions2m.manifest --tags=web_tags.csv --paths=files.csv --output=web.csv

What the labels are, one of:

  --labels, --classes   lists as the authors release them: "<video id> <class id|class id|...>", "<class id> <name>".
                        A video is named by its id or, where sites have ids in common, by its key, flickr/5807883939
  --tags                CSV file, columns video_id and tags, several tags separated by |. Every tag is a class; with
                        --classes only those of the list are

Where the files are, one or both:

  --videos              folder: <id>.<suffix> or "Title [<id>].<suffix>", in it or below it
  --paths               CSV file, columns video_id and path (relative to it), and maybe key, address, rank, title,
                        queries (separated by |) or query

--metadata gives every row its key, title, length, address, and the queries that found it. Without --metadata these are
as in --paths.

Written, for --output=web.csv:

  web.csv            video_id,path,query,queries,rank,address,key,title,duration; query has the names of the video's
                     classes, separated by |; path is relative to web.csv. For
                     python -m spl_tf.shard --manifest=web.csv --label_column=query --classes=web.classes.txt
  web.classes.txt    the classes, one a line, in the order of their ids; also those that no video has yet
  web.missing.csv    video_id,key,labels,address,missing of every video of the list without its file, without its row
                     in the table, or both. One that misses its row alone is in web.csv, without a key
  web.addresses.txt  the addresses of videos without a file: a batch file for yt-dlp. Download them and run the same
                     command again
  web.faults.csv     file,line,kind,detail of what in the lists was mended or left out

Nothing is downloaded here, and no video is opened.
"""

import collections
import dataclasses
import os
import pathlib
import statistics
from collections.abc import Mapping, Sequence, Set

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from tools.collect import results, tables
from tools.noisyactions2m import known_videos, lists, named_labels
from tools.noisyactions2m.known_videos import Known
from tools.noisyactions2m.named_labels import NamedLabels

FLAGS = flags.FlagValues()
flags.DEFINE_string("labels", None, "The label list.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "The class list.", flag_values=FLAGS)
flags.DEFINE_string("tags", None, "CSV file of tags, in place of --labels.", flag_values=FLAGS)
flags.DEFINE_string("metadata", None, "The table of metadata, a Parquet file.", flag_values=FLAGS)
flags.DEFINE_string("videos", None, "Folder of videos named by their id.", flag_values=FLAGS)
flags.DEFINE_string("paths", None, "CSV file that says where videos are.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "CSV file for the manifest.", flag_values=FLAGS)

COLUMNS = ("video_id", "path", "query", "queries", "rank", "address", "key", "title", "duration")
MISSING_COLUMNS = ("video_id", "key", "labels", "address", "missing")

_CLASSES, _MISSING, _ADDRESSES, _FAULTS = ".classes.txt", ".missing.csv", ".addresses.txt", ".faults.csv"
_FILE, _ROW = "file", "row of the table"


def main() -> None:
    command.require_flags(FLAGS, "output")
    if (FLAGS.labels is None) == (FLAGS.tags is None):
        raise UserError("--labels and --tags are two ways to say what the labels are: give one of them")
    if FLAGS.labels is not None:
        command.require_flags(FLAGS, "classes")
    if FLAGS.videos is None and FLAGS.paths is None:
        raise UserError(
            "--videos is missing, the folder of the files (or --paths, a CSV file that says where they are)"
        )
    if FLAGS.videos is not None and not os.path.isdir(FLAGS.videos):
        raise UserError(f"{FLAGS.videos} is no folder: check --videos")
    given = [FLAGS.labels, FLAGS.classes, FLAGS.tags, FLAGS.metadata, FLAGS.paths]
    inputs = [path for path in given if path is not None]
    output = tables.output_path(FLAGS.output, (_CLASSES, _MISSING, _ADDRESSES, _FAULTS), inputs)

    faults: list[lists.Fault] = []
    if FLAGS.labels is not None:
        labels = named_labels.from_lists(FLAGS.labels, FLAGS.classes, faults)
    else:
        labels = named_labels.from_tags(FLAGS.tags, FLAGS.classes, faults)
    of_files = known_videos.of_manifest(FLAGS.paths) if FLAGS.paths else {}
    of_rows: dict[str, Known] = {}
    if FLAGS.metadata:
        of_rows, several = known_videos.of_table(FLAGS.metadata, labels.videos.keys())
        faults += [lists.Fault(FLAGS.metadata, 0, "id of several rows: give keys", name) for name in sorted(several)]
    known = {video: known_videos.joined(of_rows, of_files, video) for video in labels.videos}
    known = with_files(known, results.videos_by_stem(FLAGS.videos) if FLAGS.videos else {}, faults)
    without_row = labels.videos.keys() - of_rows.keys() if FLAGS.metadata else set()
    print(write(output, labels, known, without_row, faults))


def with_files(known: Mapping[str, Known], on_disk: Mapping[str, str], faults: list[lists.Fault]) -> dict[str, Known]:
    """The videos with the paths of their files.

    Args:
      known: by video.
      on_disk: files by their stem; the path that a manifest names goes before.
      faults: gets names of files that no table can hold.
    """
    found = {}
    for video, one in known.items():
        path = one.path or on_disk.get(one.name, "")
        if path != text(path):  # Not UTF-8.
            faults.append(lists.Fault(text(path), 0, "unusable file name: rename it", video))
            path = ""
        found[video] = dataclasses.replace(one, path=path)
    return found


def write(
    output: pathlib.Path,
    labels: NamedLabels,
    known: Mapping[str, Known],
    without_row: Set[str],
    faults: Sequence[lists.Fault],
) -> str:
    """Writes the manifest and what lies beside it; returns a summary.

    Args:
      output: of the manifest.
      labels: of all videos.
      known: of all videos.
      without_row: videos that the table should have and has not.
      faults: of the lists.
    """
    rows, missing = [], []
    for video, names in labels.videos.items():
        one, joined = known[video], "|".join(names)
        lacks = [_FILE] * (not one.path) + [_ROW] * (video in without_row)
        if lacks:
            missing.append((video, one.key, joined, one.address, ", ".join(lacks)))
        if one.path:
            seconds = None if one.seconds is None else f"{one.seconds:g}"
            path = tables.path_beside(one.path, output)
            queries = "|".join(one.queries)
            rows.append((video, path, joined, queries, one.rank, one.address, one.key, one.title, seconds))
    waiting = list(dict.fromkeys(row.address for row in known.values() if row.address and not row.path))
    tables.write(output, COLUMNS, rows)
    files.write_lines(output.with_suffix(_CLASSES), labels.classes)
    tables.write(output.with_suffix(_MISSING), MISSING_COLUMNS, missing)
    files.write_lines(output.with_suffix(_ADDRESSES), waiting)
    lists.write_report(output.with_suffix(_FAULTS), faults)

    counts = [len(labels.videos[row[0]]) for row in rows]
    filled = len({name for row in rows for name in labels.videos[row[0]]})
    lines = [f"{output}: {len(rows)} of {len(labels.videos)} videos, {filled} of {len(labels.classes)} classes"]
    if rows:
        lines[0] += f", {statistics.mean(counts):.2f} labels a video"
    if missing:
        kinds = ", ".join(f"{kind} {count}" for kind, count in collections.Counter(row[-1] for row in missing).items())
        lines.append(f"missing {len(missing)} ({kinds}): see {output.with_suffix(_MISSING).name}")
    if waiting:
        lines.append(f"{len(waiting)} videos to download: see {output.with_suffix(_ADDRESSES).name}")
    if faults:
        lines.append(lists.summary(faults, output.with_suffix(_FAULTS).name))
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
