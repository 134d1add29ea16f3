"""Side-cars: Parquet files beside a shard, row i belongs to the shard's record i.

A side-car carries the fingerprint of its shard and a digest of its clip ids, so that one of another shard, or of the
shard before it was rebuilt, is an error and never a silent mix-up. That of predictions also says which model made it.
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

from spl_tf import checksums
from spl_tf.errors import UserError
from spl_tf.files import Path, atomic_path
from spl_tf.labels.finite_scores import require_finite_scores
from spl_tf.labels.parquet_files import expanded, new_file, opened
from spl_tf.labels.target_columns import SCHEMAS, read_targets, target_arrays
from spl_tf.labels.targets import SINGLE, SingleLabels, Targets
from spl_tf.stored import decode

PREDICTION = pa.schema(
    [("clip_id", pa.string()), ("weak", pa.int32()), ("teacher", pa.int32()), ("confidence", pa.float32())]
)
# Of clips that carry several labels, or none.
SEVERAL_WEAK = pa.list_(pa.int32())
# The teacher's k best classes by falling score: further columns; files of older versions lack them.
TOP_SCORES = pa.schema([("top_classes", pa.list_(pa.int32())), ("top_scores", pa.list_(pa.float32()))])
LABEL = SCHEMAS[SINGLE]

# Rows handled at once, and rows of a Parquet row group: some megabytes, so memory is flat however large a shard is.
BATCH_ROWS = 1 << 18


@dataclasses.dataclass(frozen=True)
class Header:
    """What a side-car says about itself.

    Attributes:
      records: number of rows.
      shard_fingerprint: of its shard.
      ids_digest: of its clip ids.
      made_by: model and settings that made it, by name; empty for labels.
      labels: identity of the labels it is a part of; empty for predictions, and for labels of older versions.
    """

    records: int
    shard_fingerprint: str
    ids_digest: str
    made_by: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    labels: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class LabelColumn:
    """Targets of the n clips of one shard, and their weights float32 [n]."""

    targets: Targets
    weights: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """int32 [n], -1 = discarded; a UserError where clips have several labels or a distribution."""
        if not isinstance(self.targets, SingleLabels):
            raise UserError(
                f"these labels are of the form {self.targets.form!r}, one class a clip is needed: "
                "use labels of another strategy"
            )
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
    first: bool = False,
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
      first: a side-car that another task has written meanwhile stays.
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
    for field, values in zip(TOP_SCORES, (top_classes, top_scores), strict=True):
        if values is not None:
            schema = schema.append(field)
            columns[field.name] = list(np.asarray(values))
    with _writer(path, schema, shard_fingerprint, ids_digest(clip_ids), made_by, first=first) as writer:
        writer.write_table(pa.table(columns, schema=schema), row_group_size=BATCH_ROWS)


def write_labels(
    path: Path,
    *,
    clip_ids: Sequence[str],
    labels: np.ndarray,
    weights: np.ndarray,
    shard_fingerprint: str,
    identity: str = "",
) -> None:
    """Writes the label side-car of one shard: labels int [n], -1 = discarded; weights float [n]; see `label_writer`."""
    targets = SingleLabels(np.asarray(labels, np.int32))
    described = {"shard_fingerprint": shard_fingerprint, "ids_digest": ids_digest(clip_ids), "identity": identity}
    with label_writer(path, **described) as writer:
        writer.write_batch(label_batch(pa.array(clip_ids, pa.string()), targets, weights), row_group_size=BATCH_ROWS)


@contextlib.contextmanager
def label_writer(
    path: Path, *, shard_fingerprint: str, ids_digest: str, form: str = SINGLE, identity: str = ""
) -> Iterator[pq.ParquetWriter]:
    """Yields a writer that takes the batches of a label side-car of one form; the file appears when all are in.

    `identity` is that of all the labels, as of `labels_identity`.
    """
    with _writer(path, SCHEMAS[form], shard_fingerprint, ids_digest, labels=identity) as writer:
        yield writer


def label_batch(clip_ids: pa.Array, targets: Targets, weights: np.ndarray) -> pa.RecordBatch:
    """Some rows of a label side-car. The ids stay an Arrow array: no Python object per row."""
    columns = [clip_ids, *target_arrays(targets), pa.array(weights, pa.float32())]
    return pa.RecordBatch.from_arrays(columns, names=SCHEMAS[targets.form].names)


def read_header(path: Path, schema: pa.Schema, remedy: str) -> Header:
    """Reads what a side-car says about itself and checks its columns.

    Args:
      path: the side-car.
      schema: PREDICTION, TOP_SCORES or one of SCHEMAS; further columns are allowed.
      remedy: what the user can do when the file is no good, e.g. "run spl_tf.predict again".

    Raises:
      UserError: the file is missing, damaged, or has other columns.
    """
    with opened(path, remedy) as file:
        found = file.schema_arrow
        metadata = found.metadata or {}
        for field in schema:
            position = found.get_field_index(field.name)
            types = (field.type, SEVERAL_WEAK) if field.name == "weak" else (field.type,)
            if position < 0 or found.field(position).type not in types:
                raise UserError(f"{path} has no column {field.name!r} of type {field.type}: {remedy}")
        if not {b"shard_fingerprint", b"ids_digest"} <= metadata.keys():
            raise UserError(f"{path} does not say which shard it belongs to: {remedy}")
        return Header(
            file.metadata.num_rows,
            metadata[b"shard_fingerprint"].decode(),
            metadata[b"ids_digest"].decode(),
            decode(metadata.get(b"made_by", b"{}"), dict[str, str | int], f"{path}: made_by", remedy),
            metadata.get(b"labels", b"").decode(),
        )


def read_predictions(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a prediction side-car in batches of at most BATCH_ROWS.

    Args:
      path: the side-car.
      columns: names of the columns to read; None reads all.

    Raises:
      UserError: the file is missing, damaged or not the one its folder's SHA256SUMS lists, or a confidence or best
        score among the columns is not finite.
    """
    remedy, rows = "run spl_tf.predict again", 0
    checksums.require_whole(path, remedy)
    with opened(path, remedy, texts_as_stored=True) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            require_finite_scores(batch, path, rows, lambda row: file.read(["clip_id"])["clip_id"][row].as_py(), remedy)
            rows += batch.num_rows
            yield expanded(batch)
        _require_all_rows(path, rows, file.metadata.num_rows, remedy)


def read_labels(
    path: Path,
    *,
    shard_name: str,
    shard_fingerprint: str,
    ids_digest: str,
    num_records: int,
    num_classes: int,
    form: str = SINGLE,
    identity: str = "",
) -> LabelColumn:
    """Reads the labels of one shard.

    Args:
      path: `L/<shard name>.parquet`.
      shard_name: the shard the labels are for, for messages.
      shard_fingerprint: of that shard.
      ids_digest: of that shard's clip ids.
      num_records: records in that shard.
      num_classes: labels are below it.
      form: of the targets, as `summary.json` says.
      identity: of all the labels, as it says; empty where older versions say none.

    Raises:
      UserError: the side-car is missing, damaged, belongs to another shard or to other labels, or holds a
        cell that is no target, see `read_targets`, or a weight that is not finite.
    """
    name, remedy = pathlib.Path(path).name, "run spl_tf.label again"
    header = read_header(path, SCHEMAS[form], remedy)
    if header.records != num_records:
        raise UserError(
            f"{name} has {header.records} labels, its shard {shard_name} {num_records} records ({path}): {remedy}"
        )
    if header.shard_fingerprint != shard_fingerprint:
        raise UserError(
            f"{path} was made for another shard than {shard_name} (their fingerprints differ): "
            "run spl_tf.predict and spl_tf.label again"
        )
    if header.ids_digest != ids_digest:
        raise UserError(f"{path} names other clips than its shard {shard_name}: {remedy}")
    if identity and header.labels != identity:
        raise UserError(f"{path} belongs to other labels than the summary beside it: {remedy}")
    with opened(path, remedy) as file:
        table = file.read(columns=SCHEMAS[form].names[1:])
    _require_all_rows(path, table.num_rows, num_records, remedy)
    targets = read_targets(table, form, num_classes, path, remedy)
    if table["weight"].null_count:
        raise UserError(f"{path} has empty cells: {remedy}")
    weights = table["weight"].to_numpy()
    if wrong := np.flatnonzero(~np.isfinite(weights)).tolist():
        raise UserError(f"{path} row {wrong[0]} has the weight {weights[wrong[0]]}: {remedy}")
    return LabelColumn(targets, weights)


def _require_all_rows(path: Path, found: int, promised: int, remedy: str) -> None:
    """A page's data has a checksum, its header has none: a damaged one can hide the page's rows."""
    if found != promised:
        raise UserError(f"{path} is damaged ({found} of {promised} rows can be read): {remedy}")


@contextlib.contextmanager
def _writer(
    path: Path,
    schema: pa.Schema,
    shard_fingerprint: str,
    ids_digest: str,
    made_by: Mapping[str, str | int] | None = None,
    labels: str = "",
    first: bool = False,
) -> Iterator[pq.ParquetWriter]:
    metadata = {"shard_fingerprint": shard_fingerprint, "ids_digest": ids_digest}
    if made_by is not None:
        metadata["made_by"] = json.dumps(made_by)
    if labels:
        metadata["labels"] = labels
    with atomic_path(path, first=first) as temporary, new_file(temporary, schema.with_metadata(metadata)) as writer:
        yield writer
