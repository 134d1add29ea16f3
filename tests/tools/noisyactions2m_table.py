"""Small tables of metadata for tests."""

import pyarrow as pa
import pyarrow.parquet as pq

from tools.noisyactions2m import table

_LISTS = ("tags", "comments", "sentences", "concepts", "addresses", "queries")


def row(key, **fields):
    """A row of the table: `queries` are given by their names, what is not given is absent."""
    site, _, video_id = key.partition("/")
    found = [{"query": query, "rank": None} for query in fields.pop("queries", ())]
    empty = {name: [] if name in _LISTS else None for name in table.SCHEMA.names}
    return empty | {"key": key, "site": site, "id": video_id, "queries": found} | fields


def write(path, rows, rows_per_group=3):
    """Writes rows sorted by key, few a row group: what counts over groups is seen to do so."""
    made = pa.Table.from_pylist(sorted(rows, key=lambda entry: entry["key"]), table.SCHEMA)
    pq.write_table(made, path, row_group_size=rows_per_group)
