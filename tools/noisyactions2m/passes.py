"""The two passes over search results, as the jobs of processes: files to sorted runs, ranges of keys to rows.

What a job has written it does not write again: its answer, the last of its files, says that all are there.
"""

import collections
import contextlib
import csv
import functools
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from spl_tf import files, stored
from tools.noisyactions2m import result_files, rows, runs
from tools.noisyactions2m.jobs import Job
from tools.noisyactions2m.result_files import Options

_REMEDY = "delete its folder and run the same command again"


class Read(msgspec.Struct):
    """What a job of the first pass found.

    Attributes:
      runs: of its records.
      rejected: CSV file of what gave no record or lost a field: path, line, item, key, reason.
      records: how many.
      unusable: places of the files without a record.
      faults: field -> how often something of it could not be read or kept.
      lost: whether its file was not read to the end.
    """

    runs: list[runs.Run]
    rejected: str
    records: int = 0
    unusable: int = 0
    faults: dict[str, int] = {}
    lost: bool = False


class Merged(msgspec.Struct):
    """What a job of the second pass wrote: an Arrow file of rows; of these, how many have no query; unknown queries."""

    path: str
    rows: int
    without_query: int
    unknown: dict[str, str]


def read_job(job: Job, folder: str, options: Options) -> Read:
    """Reads the files of a job and writes their records as sorted runs."""
    stem = os.path.join(folder, job.stem)
    if os.path.exists(f"{stem}.json"):
        return stored.read_json(f"{stem}.json", Read, _REMEDY)
    writer = runs.Writer(stem)
    answer = Read(writer.runs, f"{stem}.rejected.csv")
    faults: collections.Counter[str] = collections.Counter()
    with _rejected(answer) as rejected:
        for piece in job.pieces:
            for result in result_files.read(piece, options, job.root):
                key = ""
                if result.record is None:
                    answer.unusable += 1
                else:
                    key = result.record.key
                    answer.records += 1
                    faults.update(reason.partition(":")[0] for reason in result.reasons)
                    writer.add(result.record)
                rejected.writerows((piece.path, result.line, result.item, key, reason) for reason in result.reasons)
    writer.flush()
    answer.faults = dict(faults)
    _write(f"{stem}.json", answer)
    return answer


def lost(job: Job, folder: str, reason: str) -> Read:
    """The answer in place of that of a job of one piece, which no process could read; a later run tries it again."""
    (piece,) = job.pieces
    answer = Read([], os.path.join(folder, f"{job.stem}.rejected.csv"), lost=True)
    line, which = 0, "the file"
    if piece.end is not None:
        line, which = 1, f"{piece.end - piece.start} bytes from here on"
    with _rejected(answer) as rejected:
        rejected.writerow((piece.path, line, 0, "", f"could not read {which}: {reason}"))
    return answer


@contextlib.contextmanager
def _rejected(answer: Read) -> Iterator[Any]:
    """Writes rows path, line, item, key, reason."""
    with (
        files.atomic_path(answer.rejected) as temporary,
        open(temporary, "w", encoding="utf-8", newline="", errors="backslashreplace") as opened,
    ):
        yield csv.writer(opened)


def read_rejected(answers: Sequence[tuple[Job, Read]]) -> Iterator[tuple[str, str, str, str]]:
    """(file, position, key, reason) of all jobs, in order; lines are counted from the beginning of their file."""
    lines = result_files.LineCounter()
    for job, answer in answers:
        before = lines.before(job.pieces[0]) if answer.unusable or answer.faults or answer.lost else 0
        with open(answer.rejected, encoding="utf-8", newline="") as opened:
            for path, line, item, key, reason in csv.reader(opened):
                places = [f"line {before + int(line)}"] if int(line) else []
                places += [f"item {item}"] if int(item) else []
                yield path, " ".join(places), key, reason


def merge_range(wanted: runs.Range, folder: str, queries: str | None) -> Merged:
    """Merges the records of each video of a range and writes the rows."""
    stem = os.path.join(folder, f"rows-{wanted.number:06d}")
    if os.path.exists(f"{stem}.json"):
        return stored.read_json(f"{stem}.json", Merged, _REMEDY)
    merged = [rows.merged(group) for group in runs.read_groups(wanted)]
    table, unknown = rows.to_table(merged, _queries(queries) if queries else None)
    answer = Merged(f"{stem}.arrow", len(merged), sum(not row.queries for row in merged), unknown)
    with files.atomic_path(answer.path) as temporary, pa.ipc.new_file(temporary, table.schema) as opened:
        opened.write_table(table)
    _write(f"{stem}.json", answer)
    return answer


def read_rows(answer: Merged) -> pa.Table:
    with pa.ipc.open_file(pathlib.Path(answer.path)) as opened:
        return opened.read_all()


def _write(path: str, answer: Read | Merged) -> None:
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(answer))


@functools.lru_cache(maxsize=1)
def _queries(path: str) -> rows.Queries:
    return rows.read_queries(path)
