"""Sorting by key of more records than memory holds: sorted runs on disk, merged range by range.

A run is an Arrow file of at most a few ten thousand records, in small batches: a range of keys is read from the batches
that can hold one of it. Equal keys keep the order in which the records were written.
"""

import bisect
import dataclasses
import os
from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

from spl_tf import files
from tools.noisyactions2m.records import Record

_SCHEMA = pa.schema([("key", pa.string()), ("record", pa.large_binary())])
_BATCH = 256
_MOST_BYTES = 24 << 20
_MOST_RECORDS = 32_768
# Of a range when it is merged; as Python objects and as Arrow it takes about ten times as much.
_BYTES_PER_RANGE = 16 << 20


@dataclasses.dataclass(frozen=True)
class Run:
    """A sorted run: its file, the first key of each batch, and how many bytes its records have."""

    path: str
    firsts: list[str]
    size: int


@dataclasses.dataclass(frozen=True)
class Range:
    """Keys from `low`, before `high` (None: to the end), and the batches (file, first, last + 1) that may hold one."""

    number: int
    low: str
    high: str | None
    batches: list[tuple[str, int, int]]


class Writer:
    """Collects records and writes them as runs `<stem>-<number>.arrow`."""

    def __init__(self, stem: str):
        self._stem = stem
        self._records: list[tuple[str, bytes]] = []
        self._size = 0
        self.runs: list[Run] = []

    def add(self, record: Record) -> None:
        encoded = msgspec.msgpack.encode(record)
        self._records.append((record.key, encoded))
        self._size += len(encoded)
        if self._size >= _MOST_BYTES or len(self._records) >= _MOST_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Writes what has been collected, if anything."""
        if not self._records:
            return
        self._records.sort(key=lambda entry: entry[0])
        keys = [key for key, _ in self._records]
        table = pa.table([pa.array(keys), [record for _, record in self._records]], schema=_SCHEMA)
        path = f"{self._stem}-{len(self.runs):05d}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with files.atomic_path(path) as temporary, pa.ipc.new_file(temporary, _SCHEMA, options=options) as opened:
            opened.write_table(table, max_chunksize=_BATCH)
        self.runs.append(Run(path, keys[::_BATCH], self._size))
        self._records, self._size = [], 0


def ranges(runs: Sequence[Run]) -> list[Range]:
    """Ranges of keys of about equal size, in order; together they hold all."""
    firsts = sorted(first for run in runs for first in run.firsts)
    count = max(1, min(len(firsts), -(-sum(run.size for run in runs) // _BYTES_PER_RANGE)))
    lows = sorted({firsts[place * len(firsts) // count] for place in range(1, count)}) if firsts else []
    bounds = ["", *lows]
    return [
        Range(number, low, high, [batch for run in runs if (batch := _batches(run, low, high))])
        for number, (low, high) in enumerate(zip(bounds, [*lows, None], strict=True))
    ]


def _batches(run: Run, low: str, high: str | None) -> tuple[str, int, int] | None:
    """A key may begin in the batch before the first one that begins with it."""
    first = max(bisect.bisect_left(run.firsts, low) - 1, 0)
    last = len(run.firsts) if high is None else bisect.bisect_left(run.firsts, high)
    return (run.path, first, last) if first < last else None


def read_groups(wanted: Range) -> Iterator[list[Record]]:
    """The records of each key of the range, by key; those of a key in the order of the runs."""
    found: list[tuple[str, bytes]] = []
    for path, first, last in wanted.batches:
        with pa.memory_map(os.fspath(path)) as mapped:
            reader = pa.ipc.open_file(mapped)
            for place in range(first, last):
                batch = reader.get_batch(place)
                keys, encoded = batch.column(0).to_pylist(), batch.column(1)
                for row, key in enumerate(keys):
                    if wanted.low <= key and (wanted.high is None or key < wanted.high):
                        found.append((key, encoded[row].as_py()))
    found.sort(key=lambda entry: entry[0])
    decoder = msgspec.msgpack.Decoder(Record)
    group: list[Record] = []
    last_key = None
    for key, record in found:
        if key != last_key and group:
            yield group
            group = []
        group.append(decoder.decode(record))
        last_key = key
    if group:
        yield group
