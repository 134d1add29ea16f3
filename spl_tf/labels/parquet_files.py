"""Parquet files, opened when their footer says that they stay small: 25 KB may stand for gigabytes."""

import contextlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spl_tf.errors import UserError
from spl_tf.files import Path, require_regular

# A clip id is about a path long, best classes and scores are some thousand numbers.
_BYTES_PER_ROW = 1 << 16
_BYTES_OF_ANY_FILE = 1 << 26
# Of rows that are read at once; of texts among them, an array of Arrow's.
_MOST_BYTES = 1 << 32
_MOST_TEXT_BYTES = (1 << 31) - 1

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}


@contextlib.contextmanager
def opened(path: Path, remedy: str, texts_as_stored: bool = False) -> Iterator[pq.ParquetFile]:
    """Opens a side-car; a missing or damaged file, also one found damaged while it is read, is a UserError.

    With `texts_as_stored`, texts that are stored in a dictionary are read so, for `expanded`.
    """
    require_regular(path, remedy)
    try:
        metadata = pq.read_metadata(path)
        _require_bounded(metadata)
        texts = _dictionary_texts(metadata) if texts_as_stored else []
        with pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=texts) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # The disk's fault, not the file's.
        raise UserError(f"{path} is damaged ({error}): {remedy}") from error


def expanded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows whose texts were read as places in a dictionary, with the texts themselves.

    Raises:
      ValueError: there are more than rows of ours can be.
    """
    for place, name in enumerate(batch.schema.names):
        column = batch.column(place)
        if pa.types.is_dictionary(column.type):
            num_bytes = pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0
            if num_bytes > min(_MOST_TEXT_BYTES, _BYTES_OF_ANY_FILE + batch.num_rows * _BYTES_PER_ROW):
                raise ValueError(f"{name} of {batch.num_rows:,} rows would take {num_bytes:,} bytes")
            batch = batch.set_column(place, pa.field(name, column.type.value_type), column.dictionary_decode())
    return batch


def _require_bounded(metadata: pq.FileMetaData) -> None:
    """Raises ValueError for more than rows of ours can be; texts stored in a dictionary are left to `expanded`."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    sizes = [sum(_num_bytes(group.column(place)) for place in range(group.num_columns)) for group in groups]
    most = _BYTES_OF_ANY_FILE + metadata.num_rows * _BYTES_PER_ROW
    if sum(sizes) > most or max(sizes, default=0) > _MOST_BYTES:
        raise ValueError(f"its {metadata.num_rows:,} rows would take {sum(sizes):,} bytes")


def _dictionary_texts(metadata: pq.FileMetaData) -> list[str]:
    """Columns of texts of which some are stored once for many rows: spl_tf writes none, other programs may."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(place) for group in groups for place in range(group.num_columns))
    return list(dict.fromkeys(column.path_in_schema for column in columns if _is_text_in_dictionary(column)))


def _is_text_in_dictionary(column: pq.ColumnChunkMetaData) -> bool:
    in_dictionary = column.has_dictionary_page or any("DICTIONARY" in encoding for encoding in column.encodings)
    return column.physical_type not in _WIDTHS and in_dictionary


def _num_bytes(column: pq.ColumnChunkMetaData) -> int:
    if column.physical_type in _WIDTHS:
        return column.num_values * _WIDTHS[column.physical_type]
    return column.total_uncompressed_size
