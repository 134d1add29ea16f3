"""Side-cars: Parquet files beside a shard, row i belongs to the shard's record i.

A side-car carries the fingerprint of its shard and a digest of its clip ids, so that one of
another shard, or of the shard before it was rebuilt, is an error and never a silent mix-up.
That of predictions also says which model made it and how.
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spl_tf.errors import UserError
from spl_tf.files import Path, atomic_path
from spl_tf.labels.targets import SingleLabels, Targets

PREDICTION = pa.schema(
    [("clip_id", pa.string()), ("weak", pa.int32()), ("teacher", pa.int32()), ("confidence", pa.float32())]
)
# Of clips that carry several labels, or none.
SEVERAL_WEAK = pa.list_(pa.int32())
# The teacher's highest scores beside its first class; files of older versions lack them.
TOP = (pa.field("top_classes", pa.list_(pa.int32())), pa.field("top_scores", pa.list_(pa.float32())))
LABEL = pa.schema([("clip_id", pa.string()), ("label", pa.int32()), ("weight", pa.float32())])

# Rows handled at once, and rows of a Parquet row group: some megabytes, so memory is flat however large a shard is.
BATCH_ROWS = 1 << 18

# Few distinct values: a dictionary makes them small. Clip ids and confidences are all different.
_DICTIONARY = {"weak", "teacher", "label", "weight"}


@dataclasses.dataclass(frozen=True)
class Header:
    """What a side-car says about itself.

    Attributes:
      records: number of rows.
      shard_fingerprint: of its shard.
      ids_digest: of its clip ids.
      made_by: model and settings that made it, by name; empty for labels.
    """

    records: int
    shard_fingerprint: str
    ids_digest: str
    made_by: Mapping[str, str | int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class LabelColumn:
    """Labels of one shard: targets of its n clips; weights float32 [n]."""

    targets: Targets
    weights: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """int32 [n], -1 = discarded, where the targets are one label a clip."""
        return self.targets.labels


def ids_digest(clip_ids: Sequence[str]) -> str:
    """Hex sha256 of the clip ids, one a line, in record order."""
    return hashlib.sha256("\n".join(clip_ids).encode()).hexdigest()


def write_predictions(
    path: Path,
    *,
    clip_ids: Sequence[str],
    weak: np.ndarray | Sequence[Sequence[int]],
    teacher: np.ndarray,
    confidence: np.ndarray,
    top_classes: np.ndarray | None = None,
    top_scores: np.ndarray | None = None,
    shard_fingerprint: str,
    made_by: Mapping[str, str | int] | None = None,
) -> None:
    """Writes the prediction side-car of one shard.

    Args:
      path: `P/<shard name>.parquet`.
      clip_ids: n ids in record order.
      weak: int [n], class the clip was queried for; or n lists of any number of classes.
      teacher: int [n], predicted class.
      confidence: float [n], the teacher's score of that class.
      top_classes, top_scores: [n, k], its k highest scores, falling, and their classes.
      shard_fingerprint: of the shard the clips were read from.
      made_by: the teacher's weights and whatever else decides its predictions, by name.
    """
    schema, is_several = PREDICTION, not isinstance(weak, np.ndarray)
    columns = {
        "clip_id": list(clip_ids),
        "weak": [list(labels) for labels in weak] if is_several else np.asarray(weak, np.int32),
        "teacher": np.asarray(teacher, np.int32),
        "confidence": np.asarray(confidence, np.float32),
    }
    if is_several:
        schema = schema.set(schema.get_field_index("weak"), pa.field("weak", SEVERAL_WEAK))
    for field, values in zip(TOP, (top_classes, top_scores), strict=True):
        if values is not None:
            schema = schema.append(field)
            columns[field.name] = list(np.asarray(values))
    with _writer(path, schema, shard_fingerprint, ids_digest(clip_ids), made_by) as writer:
        writer.write_table(pa.table(columns, schema=schema), row_group_size=BATCH_ROWS)


def write_labels(
    path: Path, *, clip_ids: Sequence[str], labels: np.ndarray, weights: np.ndarray, shard_fingerprint: str
) -> None:
    """Writes the label side-car of one shard: labels int [n], -1 = discarded; weights float [n]."""
    with label_writer(path, shard_fingerprint=shard_fingerprint, ids_digest=ids_digest(clip_ids)) as writer:
        writer.write_batch(label_batch(pa.array(clip_ids, pa.string()), labels, weights), row_group_size=BATCH_ROWS)


@contextlib.contextmanager
def label_writer(path: Path, *, shard_fingerprint: str, ids_digest: str) -> Iterator[pq.ParquetWriter]:
    """Yields a writer that takes the batches of a label side-car; the file appears when all are in."""
    with _writer(path, LABEL, shard_fingerprint, ids_digest) as writer:
        yield writer


def label_batch(clip_ids: pa.Array, labels: np.ndarray, weights: np.ndarray) -> pa.RecordBatch:
    """Some rows of a label side-car. The ids stay an Arrow array: no Python object per row."""
    columns = [clip_ids, pa.array(labels, pa.int32()), pa.array(weights, pa.float32())]
    return pa.RecordBatch.from_arrays(columns, names=LABEL.names)


def read_header(path: Path, schema: pa.Schema, way_out: str) -> Header:
    """Reads what a side-car says about itself and checks its columns.

    Args:
      path: the side-car.
      schema: PREDICTION or LABEL; further columns are allowed.
      way_out: what the user can do when the file is no good, e.g. "run spl_tf.predict again".

    Raises:
      UserError: the file is missing, damaged, or has other columns.
    """
    with _opened(path, way_out) as file:
        found = file.schema_arrow
        metadata = found.metadata or {}
        for field in schema:
            position = found.get_field_index(field.name)
            types = (field.type, SEVERAL_WEAK) if field.name == "weak" else (field.type,)
            if position < 0 or found.field(position).type not in types:
                raise UserError(f"{path} has no column {field.name!r} of type {field.type}: {way_out}")
        if not {b"shard_fingerprint", b"ids_digest"} <= metadata.keys():
            raise UserError(f"{path} does not say which shard it belongs to: {way_out}")
        return Header(
            file.metadata.num_rows,
            metadata[b"shard_fingerprint"].decode(),
            metadata[b"ids_digest"].decode(),
            json.loads(metadata.get(b"made_by", b"{}")),
        )


def holds_predictions(path: Path) -> bool:
    """Whether a file is a prediction side-car; False for one too damaged to tell."""
    try:
        return "teacher" in pq.read_schema(path).names
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return False


def read_predictions(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a prediction side-car in batches of at most BATCH_ROWS.

    Args:
      path: the side-car.
      columns: names of the columns to read; None reads all.

    Raises:
      UserError: the file is missing or damaged.
    """
    way_out, rows = "run spl_tf.predict again", 0
    with _opened(path, way_out) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            rows += batch.num_rows
            yield batch
        _require_all_rows(path, rows, file.metadata.num_rows, way_out)


def read_labels(
    path: Path, *, shard_name: str, shard_fingerprint: str, ids_digest: str, num_records: int, num_classes: int
) -> LabelColumn:
    """Reads the labels of one shard.

    Args:
      path: `L/<shard name>.parquet`.
      shard_name: the shard the labels are for, for messages.
      shard_fingerprint: of that shard.
      ids_digest: of that shard's clip ids.
      num_records: records in that shard.
      num_classes: labels are below it.

    Raises:
      UserError: the side-car is missing, damaged, belongs to another shard, or holds a
        label that is no class.
    """
    name, way_out = pathlib.Path(path).name, "run spl_tf.label again"
    header = read_header(path, LABEL, way_out)
    if header.records != num_records:
        raise UserError(
            f"{name} has {header.records} labels, its shard {shard_name} {num_records} records ({path}): {way_out}"
        )
    if header.shard_fingerprint != shard_fingerprint:
        raise UserError(
            f"{path} was made for another shard than {shard_name} (their fingerprints differ): "
            "run spl_tf.predict and spl_tf.label again"
        )
    if header.ids_digest != ids_digest:
        raise UserError(f"{path} names other clips than its shard {shard_name}: {way_out}")
    with _opened(path, way_out) as file:
        table = file.read(columns=["label", "weight"])
    _require_all_rows(path, table.num_rows, num_records, way_out)
    if table["label"].null_count or table["weight"].null_count:
        raise UserError(f"{path} has empty cells: {way_out}")
    labels = table["label"].to_numpy()
    if wrong := np.flatnonzero((labels < -1) | (labels >= num_classes)).tolist():
        raise UserError(
            f"{path} row {wrong[0]} has label {labels[wrong[0]]}, but there are {num_classes} classes: {way_out}"
        )
    return LabelColumn(SingleLabels(labels), table["weight"].to_numpy())


def _require_all_rows(path: Path, found: int, promised: int, way_out: str) -> None:
    """A page's data has a checksum, its header has none: a damaged one can hide the page's rows."""
    if found != promised:
        raise UserError(f"{path} is damaged ({found} of {promised} rows can be read): {way_out}")


@contextlib.contextmanager
def _writer(
    path: Path,
    schema: pa.Schema,
    shard_fingerprint: str,
    ids_digest: str,
    made_by: Mapping[str, str | int] | None = None,
) -> Iterator[pq.ParquetWriter]:
    metadata = {"shard_fingerprint": shard_fingerprint, "ids_digest": ids_digest}
    if made_by is not None:
        metadata["made_by"] = json.dumps(made_by)
    schema = schema.with_metadata(metadata)
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name in _DICTIONARY],
            write_page_checksum=True,
        ) as writer,
    ):
        yield writer


@contextlib.contextmanager
def _opened(path: Path, way_out: str) -> Iterator[pq.ParquetFile]:
    """Opens a side-car; a missing or damaged file, also one found damaged while it is read, is a UserError."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {way_out}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # The disk's fault, not the file's.
        raise UserError(f"{path} is damaged ({error}): {way_out}") from error
