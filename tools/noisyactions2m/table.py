"""The table of metadata: one row a video, in a Parquet file whose rows are sorted by `key`."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from spl_tf import files
from spl_tf.errors import UserError

ROWS_PER_GROUP = 65_536

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("site", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        ("title", pa.string()),
        ("description", pa.string()),
        ("owner", pa.string()),
        ("licence", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("comments", pa.list_(pa.string())),
        ("sentences", pa.list_(pa.string())),
        ("concepts", pa.list_(pa.string())),
        ("uploaded", pa.timestamp("s")),
        ("taken", pa.timestamp("s")),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("duration", pa.float64()),
        ("addresses", pa.list_(pa.struct([("size", pa.string()), ("url", pa.string())]))),
        ("queries", pa.list_(pa.struct([("query", pa.string()), ("rank", pa.int32())]))),
    ]
)


def read_rows(path: files.Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of some columns, at most one row group in memory.

    Raises:
      UserError: it is no Parquet file, or lacks a column.
    """
    files.require_regular(path, "make it with tools.noisyactions2m.metadata")
    try:
        table = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise UserError(f"{path} is no Parquet file ({error}): make it with tools.noisyactions2m.metadata") from error
    with table:
        if absent := [name for name in columns if name not in table.schema_arrow.names]:
            raise UserError(f"{path} has no column {absent[0]!r}: make it with tools.noisyactions2m.metadata")
        yield from table.iter_batches(ROWS_PER_GROUP, columns=list(columns))
