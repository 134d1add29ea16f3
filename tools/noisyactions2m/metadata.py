"""Makes the table of metadata from saved search results (section 3 of the paper): one row per video.

  python -m tools.noisyactions2m.metadata --results=found --queries=queries.csv --output=metadata.parquet
  python -m tools.noisyactions2m.metadata --results=found.csv --site=youtube --csv_columns=query=Category \\
      --output=metadata.parquet

--results, repeatable, is a file or a folder, which is searched in depth:

  *.json            Flickr's answers, with or without jsonFlickrApi(...): pages of flickr.photos.search, and of a photo
                    flickr.photos.getInfo, photos.comments.getList, photos.getSizes. A page does not tell what was
                    searched for: it is its field "query" if you add one, else the name of its folder, else of its file.
                    yt-dlp's .info.json, and searches with `entries` (yt-dlp -J). Lists of any of these.
  *.jsonl, .ndjson  one of these a line.
  *.csv, .tsv       a result a row. Columns are known by their names (id, video_id, title, description, tags, query,
                    rank, ...: records.py lists them); --csv_columns=FIELD=COLUMN,... says it of others. | stands
                    between tags and between comments.

--site is that of results which do not tell. --queries is the list of tools.noisyactions2m.queries: it tells which
searches were classes (column concepts) and which sentences; without it all are concepts.

Written, for --output=metadata.parquet: the table (table.py) and metadata.rejected.csv (file,position,key,reason),
which lists what gave no row, files that are no results, fields that could not be read, and of every result how many of
its addresses expire and were left out. A JSON file of more than 128 MB is listed there too: save it as JSON lines. A
video found several times is one row: of texts, dates and numbers the first there is, of tags, comments, addresses and
queries all. metadata.parquet.parts beside it is for sorting: a run that was stopped goes on from there, if no file has
changed, and deletes it at the end.
"""

import collections
import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from spl_tf.text_tables import counted
from tools.collect import tables
from tools.noisyactions2m import in_processes, jobs, kept_parts, passes, records, rows, runs, table
from tools.noisyactions2m.result_files import Options

FLAGS = flags.FlagValues()
flags.DEFINE_multi_string("results", [], "File or folder of search results, repeatable.", flag_values=FLAGS)
flags.DEFINE_string("queries", None, "List made by tools.noisyactions2m.queries.", flag_values=FLAGS)
flags.DEFINE_string("site", "", "Of results that do not tell, e.g. youtube.", flag_values=FLAGS)
flags.DEFINE_list("csv_columns", [], "FIELD=COLUMN of CSV files.", flag_values=FLAGS)
flags.DEFINE_integer("num_workers", os.cpu_count(), "Processes.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("output", None, "Parquet file for the table.", flag_values=FLAGS)

REJECTED_COLUMNS = ("file", "position", "key", "reason")
_PARTS = ("read-*", "rows-*")


def main() -> None:
    command.require_flags(FLAGS, "results", "output")
    output = pathlib.Path(FLAGS.output)
    if output.suffix.lower() != ".parquet":
        raise UserError(f"--output={output} does not end in .parquet: give it that ending")
    options = Options(FLAGS.site.strip().lower(), _columns(FLAGS.csv_columns))
    print(make_table(FLAGS.results, output, options, FLAGS.queries, FLAGS.num_workers))


def make_table(
    results: Sequence[str], output: pathlib.Path, options: Options, queries: str | None = None, num_workers: int = 1
) -> str:
    """Writes the table and the list of what was rejected; returns a summary.

    Raises:
      UserError: there are no results, the list of queries is none, or a worker does not start.
    """
    if queries is not None:
        rows.read_queries(queries)  # Before hours of work.
    rejected = output.with_suffix(".rejected.csv")
    parts = output.with_name(f"{output.name}.parts")
    asked = (files.sha256(queries) if queries else "", options.site, sorted(options.columns.items()))
    plan = jobs.plan(results, [os.fspath(path) for path in (output, rejected, parts)], asked)
    with kept_parts.kept(parts, "the table", plan.identity, _PARTS):
        read = in_processes.read(plan.jobs, str(parts), options, num_workers)
        answers = [answer for _, answer in read]
        wanted = runs.ranges([run for answer in answers for run in answer.runs])
        merged = []
        with files.atomic_path(output) as temporary, table.open_writer(temporary) as writer:
            for answer in in_processes.merge(wanted, str(parts), queries, num_workers):
                writer.write_table(passes.read_rows(answer), row_group_size=table.ROWS_PER_GROUP)
                merged.append(answer)
            unknown: dict[str, str] = {}
            for answer in merged:
                unknown = answer.unknown | unknown
            absent = (("", "", key, f"query not in --queries ({query!r})") for query, key in unknown.items())
            tables.write(
                rejected, REJECTED_COLUMNS, itertools.chain(_no_results(plan), passes.read_rejected(read), absent)
            )
    faults: collections.Counter[str] = collections.Counter()
    for one in answers:
        faults.update(one.faults)
    lines = [
        f"{output}: {sum(answer.rows for answer in merged)} rows of {sum(one.records for one in answers)} results",
        _note(sum(answer.without_query for answer in merged), "rows have no query"),
        _note(sum(one.unusable for one in answers), "results gave no row"),
        _note(sum(one.lost for one in answers), "files or pieces of files could not be read to the end"),
        _note(faults.total(), f"fields could not be read or kept whole ({counted(faults)})"),
        _note(len(unknown), "queries are not in --queries"),
        _note(len(plan.others), "files are neither JSON, JSON lines nor CSV"),
        _note(len(plan.media), "videos and images lie among the results"),
    ]
    listed = f"listed in {rejected.name}" if any(lines[2:]) else ""
    return "\n".join(line for line in [*lines, listed] if line)


def _no_results(plan: jobs.Plan) -> Iterator[tuple[str, str, str, str]]:
    """Rows of REJECTED_COLUMNS for files that were not opened."""
    for paths, reason in ((plan.others, "neither JSON, JSON lines nor CSV"), (plan.media, "a video or image")):
        yield from ((text(path), "", "", reason) for path in paths)


def _note(count: int, what: str) -> str:
    return f"{count} {what}" if count else ""


def _columns(pairs: Sequence[str]) -> dict[str, str]:
    """FIELD=COLUMN,... as field -> column."""
    found = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if field not in records.NAMES or not equals or not column.strip():
            known = ", ".join(records.NAMES)
            raise UserError(f"--csv_columns={pair} is not FIELD=COLUMN with FIELD one of {known}")
        found[field] = column.strip()
    return found


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
