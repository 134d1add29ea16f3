"""Records of one video become one row, and rows an Arrow table."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from tools.noisyactions2m import query_rows, table
from tools.noisyactions2m.records import Record

_SCALARS = ("title", "description", "owner", "licence", "uploaded", "taken", "duration")
_NO_RANK = 1 << 31


class Queries(NamedTuple):
    """The queries of the list, by kind."""

    classes: query_rows.Lookup
    sentences: query_rows.Lookup


def read_queries(path: str) -> Queries:
    """The list of tools.noisyactions2m.queries.

    Raises:
      UserError: it is no such list.
    """
    found: dict[str, list[str]] = {query_rows.CLASS: [], query_rows.SENTENCE: []}
    for row in query_rows.read(path):
        found[row.kind].append(row.query)
    return Queries(query_rows.Lookup(found[query_rows.CLASS]), query_rows.Lookup(found[query_rows.SENTENCE]))


def merged(records: Sequence[Record]) -> Record:
    """One record of all that is told of a video; of texts and numbers the first, of lists all, each entry once.

    Of a query found at several ranks the best one stays; queries are sorted.
    """
    first = records[0]
    if len(records) > 1:
        for name in _SCALARS:
            if getattr(first, name) is None:
                setattr(first, name, next(filter(_is_there, (getattr(other, name) for other in records)), None))
        located = next((other for other in records if other.latitude is not None), first)
        first.latitude, first.longitude = located.latitude, located.longitude
        first.queries = [pair for other in records for pair in other.queries]
        for name in ("tags", "comments", "addresses"):
            setattr(first, name, [entry for other in records for entry in getattr(other, name)])
    for name in ("tags", "comments", "addresses"):
        setattr(first, name, list(dict.fromkeys(getattr(first, name))))
    best: dict[str, int] = {}
    for query, rank in first.queries:
        best[query] = min(best.get(query, _NO_RANK), rank or _NO_RANK)
    first.queries = [(query, None if rank == _NO_RANK else rank) for query, rank in sorted(best.items())]
    return first


def _is_there(value: Any) -> bool:
    return value is not None


def to_table(rows: Sequence[Record], queries: Queries | None) -> tuple[pa.Table, dict[str, str]]:
    """Rows of table.SCHEMA, and key of the first video -> of each search text that the list of queries has not.

    Without a list each search text is a concept, as it was written.
    """
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in Record.__struct_fields__}
    columns["key"] = [row.key for row in rows]
    columns["concepts"], columns["sentences"] = [], []
    unknown: dict[str, str] = {}
    for row in rows:
        texts = [query for query, _ in row.queries]
        if queries is None:
            concepts, sentences = texts, []
        else:
            concepts = _looked_up(texts, queries.classes)
            sentences = _looked_up(texts, queries.sentences)
            for text in texts:
                if queries.classes.find(text) is None and queries.sentences.find(text) is None:
                    unknown.setdefault(text, row.key)
        columns["concepts"].append(concepts)
        columns["sentences"].append(sentences)
    pairs = ("addresses", "queries")
    arrays = [
        _pairs(columns[field.name], field.type) if field.name in pairs else pa.array(columns[field.name], field.type)
        for field in table.SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=table.SCHEMA), unknown


def _looked_up(texts: Iterable[str], queries: query_rows.Lookup) -> list[str]:
    return list(dict.fromkeys(query for text in texts if (query := queries.find(text)) is not None))


def _pairs(lists: Sequence[Sequence[tuple[Any, Any]]], kind: pa.ListType) -> pa.Array:
    """Lists of pairs as lists of structs, without a dict for each."""
    offsets = pa.array([0, *itertools.accumulate(map(len, lists))], pa.int32())
    flat = list(itertools.chain.from_iterable(lists))
    fields = list(kind.value_type)
    inner = [pa.array([pair[place] for pair in flat], field.type) for place, field in enumerate(fields)]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(inner, fields=fields), type=kind)
