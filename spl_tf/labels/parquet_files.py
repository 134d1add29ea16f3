"""Parquet files: how they are stored, and that they are opened when their pages say that they stay small.

25 KB may stand for gigabytes.
"""

import contextlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spl_tf.errors import UserError
from spl_tf.files import Path, open_regular
from spl_tf.labels.parquet_pages import ColumnChunk, read_chunks

# A clip id is about a path long, best classes and scores are some thousand numbers.
_BYTES_PER_ROW = 1 << 14
_BYTES_OF_ANY_FILE = 1 << 26
# Of rows that are read at once; of texts among them, an array of Arrow's.
_MOST_BYTES = 1 << 32
_MOST_TEXT_BYTES = (1 << 31) - 1

# Bytes of a value, by Parquet's number of its type: truth, int32, int64, int96, float, double; texts have no such.
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}

# Few distinct values: a dictionary makes them small. Clip ids and confidences are all different.
_LISTS = ("labels", "masked", "classes", "candidates", "top_classes")
_DICTIONARY = ["weak", "teacher", "label", "weight", *(f"{name}.list.element" for name in _LISTS)]
# Least and most of the ids would take as long as all the rest of writing.
_STATISTICS = ["weak", "teacher", "confidence", "label", "weight"]
# Unpacked: few pages, each of which is looked at before it is read, see `parquet_pages`.
_PAGE_BYTES = 8 << 20


def new_file(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A side-car to be written, stored as all of them are: small, and with a checksum of every page."""
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=_DICTIONARY,
        write_statistics=[name for name in _STATISTICS if name in schema.names],
        write_page_checksum=True,
        data_page_size=_PAGE_BYTES,
    )


@contextlib.contextmanager
def opened(path: Path, remedy: str, texts_as_stored: bool = False) -> Iterator[pq.ParquetFile]:
    """Opens a side-car; a missing or damaged file, also one found damaged while it is read, is a UserError.

    With `texts_as_stored`, texts that are stored in a dictionary are read so, for `expanded`.
    """
    try:
        with open_regular(path, remedy) as content:
            groups = read_chunks(content)
        _require_bounded(groups)
        texts = {chunk.name for group in groups for chunk in group if chunk.in_dictionary and chunk.type not in _WIDTHS}
        stored = sorted(texts) if texts_as_stored else []
        with pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=stored) as file:
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


def _require_bounded(groups: Sequence[Sequence[ColumnChunk]]) -> None:
    """Raises ValueError for more than rows of ours can be; texts stored in a dictionary are left to `expanded`."""
    sizes = [sum(map(_num_bytes, group)) for group in groups]
    # A list has more values than rows, a flat column as many.
    rows = sum(min((chunk.num_values for chunk in group), default=0) for group in groups)
    most = _BYTES_OF_ANY_FILE + rows * _BYTES_PER_ROW
    if sum(sizes) > most or max(sizes, default=0) > _MOST_BYTES:
        raise ValueError(f"its {rows:,} rows would take {sum(sizes):,} bytes")


def _num_bytes(chunk: ColumnChunk) -> int:
    return max(chunk.num_bytes, chunk.num_values * _WIDTHS.get(chunk.type, 0))
