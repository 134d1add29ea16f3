"""The table of metadata: one row per video, sorted by key, in one Parquet file."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from spl_tf import files
from spl_tf.errors import UserError

_TEXTS = pa.list_(pa.string())

# Section 3 of the paper: tags, comments, title, description, dates, geolocation, source (addresses), duration,
# sentences, concepts. Durations are seconds, coordinates degrees, moments UTC; a rank counts from 1.
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),  # "<site>/<id>", unique
        pa.field("site", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        ("title", pa.string()),
        ("description", pa.string()),
        ("owner", pa.string()),
        ("licence", pa.string()),
        ("tags", _TEXTS),
        ("comments", _TEXTS),
        ("sentences", _TEXTS),
        ("concepts", _TEXTS),
        ("uploaded", pa.timestamp("s")),
        ("taken", pa.timestamp("s")),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("duration", pa.float64()),
        ("addresses", pa.list_(pa.struct([("size", pa.string()), ("url", pa.string())]))),
        ("queries", pa.list_(pa.struct([("query", pa.string()), ("rank", pa.int32())]))),
    ]
)

ROWS_PER_GROUP = 65_536
_ROWS_PER_BATCH = 8_192


def open_writer(path: files.Path) -> pq.ParquetWriter:
    """For tables of SCHEMA, which are written with `row_group_size=ROWS_PER_GROUP`."""
    return pq.ParquetWriter(path, SCHEMA, compression="zstd")


def read_rows(path: files.Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows in order, in batches of at most 8,192; all columns where none are named.

    Raises:
      UserError: the file is missing, damaged, or lacks a column.
    """
    remedy = "make it with tools.noisyactions2m.metadata"
    with files.open_regular(path, remedy) as opened:
        try:
            table = pq.ParquetFile(opened)
            absent = set(columns or SCHEMA.names) - set(table.schema_arrow.names)
            if absent:
                raise UserError(f"{path} has no column {min(absent)!r}: {remedy}")
            wanted = list(columns or SCHEMA.names)
            schema = pa.schema([SCHEMA.field(name) for name in wanted])
            for batch in table.iter_batches(batch_size=_ROWS_PER_BATCH, columns=wanted, use_threads=False):
                # Parquet knows no whole seconds and gives milliseconds back.
                whole = pa.Table.from_batches([batch]).select(wanted).cast(schema)
                whole.validate(full=True)  # Damage that Parquet does not see, as text that is no UTF-8.
                yield from whole.to_batches()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is damaged or no Parquet file ({error}): {remedy}") from error
