"""Makes the manifest of web videos from search results.

  python -m tools.collect.manifest --queries=queries.csv --results=found --videos=videos --output=web.csv

--queries is the list made by tools.collect.queries. --results, repeatable, is either

  a folder  of .info.json files that yt-dlp --write-info-json wrote for searches, searched in depth
  a file    CSV with one result a row: text (what was searched for) or query (the class), and any of
            language, rank, video_id, address, path (relative to the CSV file), title, duration (seconds).
            Without a video_id it is taken from the address, else from the path.

A video is the file beside its .info.json with the same stem, the path of its row, or <video_id>.<suffix> in
the folder --videos; in place of these also "Title [<video_id>].<suffix>", as yt-dlp names by default. It is enough
when one of the searches that found an upload has the file.

Written, for --output=web.csv:

  web.csv            video_id,path,query,language,rank,address,text,title,duration; path is relative to
                     web.csv. One row per upload and search: an upload found by several has several rows with
                     one video_id and path. For python -m spl_tf.shard --manifest=web.csv --label_column=query
  web.rejected.csv   what gave no row, each with its reason: not downloaded, unknown search text, damaged
                     JSON, ranked below --max_rank, ...
  web.addresses.txt  the addresses of the uploads within the limits that are not downloaded: a batch file
                     for yt-dlp. Download them and run the same command again.

Nothing is downloaded here, and no video is opened.
"""

import collections
import dataclasses
import math
import os
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from spl_tf.text_tables import counted, reason_kind
from tools.collect import query_list, results, tables

FLAGS = flags.FlagValues()
flags.DEFINE_string("queries", None, "The query list.", flag_values=FLAGS)
flags.DEFINE_multi_string("results", [], "Folder of .info.json files or CSV file, repeatable.", flag_values=FLAGS)
flags.DEFINE_string("videos", None, "Folder of videos named by their id.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "CSV file for the manifest.", flag_values=FLAGS)
flags.DEFINE_integer("max_rank", None, "Results ranked below are left out.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("min_seconds", None, "Videos known to be shorter are left out.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_float("max_seconds", None, "Videos known to be longer are left out.", lower_bound=0, flag_values=FLAGS)

COLUMNS = ("video_id", "path", "query", "language", "rank", "address", "text", "title", "duration")
REJECTED_COLUMNS = ("source", "video_id", "text", "rank", "address", "reason")
_REJECTED = ".rejected.csv"
_ADDRESSES = ".addresses.txt"
_NOT_DOWNLOADED = "not downloaded"


def main() -> None:
    command.require_flags(FLAGS, "queries", "results", "output")
    if FLAGS.videos and not os.path.isdir(FLAGS.videos):
        raise UserError(f"{FLAGS.videos} is no folder: check --videos")
    output = tables.output_path(FLAGS.output, (_REJECTED, _ADDRESSES), [FLAGS.queries, *FLAGS.results])
    queries = query_list.read(FLAGS.queries)
    found = results.read([pathlib.Path(source) for source in FLAGS.results])
    videos = results.videos_by_stem(FLAGS.videos) if FLAGS.videos else {}
    limits = Limits(FLAGS.max_rank, FLAGS.min_seconds, FLAGS.max_seconds)
    rows, rejected = join(found, query_list.Index(queries), limits, videos)
    print(write(output, rows, rejected, list(dict.fromkeys(query.class_name for query in queries))))


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the manifest."""

    result: results.Result
    match: query_list.Match
    path: str


@dataclasses.dataclass(frozen=True)
class Rejection:
    """A result that gives no row. What stands before a bracket in the reason is counted."""

    result: results.Result
    reason: str


@dataclasses.dataclass(frozen=True)
class Limits:
    """None is no limit; a length that is not known is within."""

    max_rank: int | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None

    def beyond(self, result: results.Result) -> str:
        """Which limit the result is beyond, else empty."""
        if self.max_rank is not None and result.rank is None:
            return "rank unknown (--max_rank)"
        if self.max_rank is not None and result.rank > self.max_rank:
            return "ranked below --max_rank"
        if self.min_seconds is not None and result.seconds is not None and result.seconds < self.min_seconds:
            return "shorter than --min_seconds"
        if self.max_seconds is not None and result.seconds is not None and result.seconds > self.max_seconds:
            return "longer than --max_seconds"
        return ""


def join(
    found: Sequence[results.Result],
    index: query_list.Index,
    limits: Limits = Limits(),
    videos: Mapping[str, str] | None = None,
) -> tuple[list[Row], list[Rejection]]:
    """The best-ranked result of each upload and search, by class, search and rank, and what gives no row.

    Args:
      found: all search results.
      index: of the query list.
      limits: on rank and length.
      videos: video_id -> path of files that do not lie beside their result.
    """
    kept: dict[tuple[str, int, str], tuple[results.Result, query_list.Match]] = {}
    sites: dict[str, str] = {}
    paths: dict[str, str] = {}
    rejected = []
    for result in found:
        matches = [] if result.fault else index.find(result.text, result.class_name, result.language)
        reason = result.fault or limits.beyond(result) or ("" if matches else _unknown(result))
        if not reason and result.site and sites.setdefault(result.video_id, result.site) != result.site:
            reason = f"same video_id on another site ({sites[result.video_id]} and {result.site})"
        if reason:
            rejected.append(Rejection(result, reason))
            continue
        if result.path:
            paths.setdefault(result.video_id, result.path)
        for match in matches:
            key = (result.video_id, match.position, match.language)
            best, worse = result, kept.get(key, (None,))[0]
            if worse is not None:
                best, worse = (result, worse) if _rank(result) < _rank(worse) else (worse, result)
                rejected.append(Rejection(worse, f"repeated result (see {best.source})"))
            kept[key] = (best, match)

    rows = []
    for result, match in kept.values():
        path = paths.get(result.video_id) or (videos or {}).get(result.video_id, "")
        if path and path == text(path):
            rows.append(Row(result, match, path))
        else:  # No file can hold a name that is not UTF-8.
            rejected.append(Rejection(result, "unusable file name" if path else _NOT_DOWNLOADED))
    rows.sort(key=lambda row: (row.match.position, _rank(row.result), row.result.video_id))
    return rows, rejected


def write(output: pathlib.Path, rows: Sequence[Row], rejected: Sequence[Rejection], classes: Sequence[str]) -> str:
    """Writes the manifest, the list of rejections and that of addresses; returns a summary."""
    lines = [
        (
            row.result.video_id,
            tables.path_beside(row.path, output),
            row.match.class_name,
            row.match.language,
            row.result.rank,
            row.result.address,
            row.result.text,
            row.result.title,
            None if row.result.seconds is None else f"{row.result.seconds:g}",
        )
        for row in rows
    ]
    tables.write(output, COLUMNS, lines)
    refused = [(entry.result, entry.reason) for entry in rejected]
    lines = [(r.source, r.video_id, r.text or r.class_name, r.rank, r.address, reason) for r, reason in refused]
    tables.write(output.with_suffix(_REJECTED), REJECTED_COLUMNS, lines)
    waiting = {r.video_id: r.address for r, reason in refused if reason == _NOT_DOWNLOADED and r.address}
    files.write_lines(output.with_suffix(_ADDRESSES), waiting.values())
    return _summary(output, rows, rejected, classes, len(waiting))


def _summary(
    output: pathlib.Path, rows: Sequence[Row], rejected: Sequence[Rejection], classes: Sequence[str], waiting: int
) -> str:
    uploads = len({row.result.video_id for row in rows})
    lines = [f"{output}: {len(rows)} rows, {uploads} uploads"]
    per_class = collections.Counter(row.match.class_name for row in rows)
    if rows:
        counts = sorted(per_class[name] for name in classes)
        lines.append(f"rows per class: {counts[0]} to {counts[-1]}, median {statistics.median(counts):g}")
    empty = [name for name in classes if not per_class[name]]
    if rows and empty:
        lines.append(f"{len(empty)} classes without a video: {', '.join(empty[:5])}{', ...' if empty[5:] else ''}")
    if rejected:
        listed = counted(reason_kind(entry.reason) for entry in rejected)
        lines.append(f"rejected {len(rejected)} ({listed}): see {output.with_suffix(_REJECTED).name}")
    if waiting:
        lines.append(f"{waiting} uploads to download: see {output.with_suffix(_ADDRESSES).name}")
    return "\n".join(lines)


def _unknown(result: results.Result) -> str:
    if not result.text:
        return f"unknown query ({result.class_name!r})"
    details = [repr(result.text), *(part for part in (result.class_name, result.language) if part)]
    return f"unknown search text ({', '.join(details)})"


def _rank(result: results.Result) -> float:
    return math.inf if result.rank is None else result.rank


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
