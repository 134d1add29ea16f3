"""Writing a folder of labels: side-cars, confusion matrix, figures, and the summary that completes it."""

import dataclasses
import hashlib
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spl_tf import checksums
from spl_tf.errors import UserError
from spl_tf.files import TEMPORARY, Path, atomic_path, json_text, locked, require_regular, unused_name
from spl_tf.labels import sidecar_files
from spl_tf.labels.confusion import noise_ratio
from spl_tf.labels.label_folder import CELLS, CONFUSION, FORMAT_VERSION, REMEDY, SUMMARY
from spl_tf.labels.label_map import FittedLabeller
from spl_tf.labels.parquet_files import opened
from spl_tf.labels.predictions import Predictions, lists_predictions
from spl_tf.labels.query_agreement import query_agreement
from spl_tf.labels.target_columns import SCHEMAS
from spl_tf.labels.targets import SINGLE
from spl_tf.remote import mirror
from spl_tf.stored import read_json

_OTHER_FOLDERS = {"dataset.json": "shards", "model.json": "a model"}


class _Identity(msgspec.Struct):
    """Which labels they are."""

    identity: str = ""


class _OfLabels(msgspec.Struct):
    """What tells `summary.json` of labels, of whatever version, from another file of that name."""

    class_names: Any
    shards: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
    """What label side-cars hold.

    Attributes:
      kept_of_shard: kept clips of every shard.
      clips_per_class: float64 [number of classes].
      notes: further entries of the summary, known once they are written.
    """

    kept_of_shard: dict[str, int]
    clips_per_class: np.ndarray
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)


def stale_labels(output_dir: pathlib.Path, predictions: Predictions) -> list[pathlib.Path]:
    """Label side-cars of an earlier run that labels of these shards will not overwrite.

    Raises:
      UserError: the folder is a file or holds predictions, shards, a model or another summary, or a
        Parquet file in it is no label side-car, so not ours to remove, or a prediction that would be
        overwritten.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise UserError(f"{output_dir} is a file: choose a folder for the labels")
    if lists_predictions(output_dir):
        raise UserError(f"{output_dir} holds predictions, which labels would overwrite: choose another output folder")
    for name, content in _OTHER_FOLDERS.items():
        if (output_dir / name).exists():
            raise UserError(f"{output_dir} holds {content} ({name}): choose another output folder for the labels")
    if (output_dir / SUMMARY).exists():
        _require_own(output_dir / SUMMARY)
    stale = []
    for path in sorted(output_dir.glob("*.parquet")):
        if path.stem in predictions.shards:
            if holds_predictions(path):
                raise UserError(f"{path} is a prediction, which labels would overwrite: choose another output folder")
            continue
        if not path.match(TEMPORARY):
            require_labels(path, "it is no label file, so choose another output folder")
        stale.append(path)
    return stale


def holds_predictions(path: Path) -> bool:
    """Whether a file is a prediction side-car; False for one too damaged to tell."""
    try:
        require_regular(path, "")
        return "teacher" in pq.read_schema(path).names
    except (pa.ArrowException, OSError, UnicodeDecodeError, UserError):
        return False


def require_labels(path: Path, remedy: str) -> None:
    """Raises UserError unless a file is a label side-car, of any form."""
    with opened(path, remedy) as file:
        names = set(file.schema_arrow.names)
    form = next((form for form, schema in SCHEMAS.items() if names.issuperset(schema.names)), SINGLE)
    sidecar_files.read_header(path, SCHEMAS[form], remedy)


def _require_own(summary: pathlib.Path) -> None:
    remedy = "delete it if it was of labels, else choose another output folder for them"
    read_json(summary, _OfLabels, remedy)


def labels_identity(predictions: Predictions, labeller: FittedLabeller, **made_from: Any) -> str:
    """What tells labels from all others, hex; their side-cars carry it, so that one of another folder is refused.

    Args:
      predictions: the shards.
      labeller: classes of the labels, and the class of every cell.
      made_from: what else decides the labels, JSON.
    """
    described = {
        "shards": {name: shard.shard_fingerprint for name, shard in predictions.shards.items()},
        "class_names": list(labeller.class_names),
        "target": labeller.form,
        "cells": hashlib.sha256(labeller.table.tobytes() + labeller.merges.tobytes()).hexdigest(),
        **made_from,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def write_folder(
    output_dir: pathlib.Path,
    predictions: Predictions,
    labeller: FittedLabeller,
    identity: str,
    confusion: np.ndarray,
    usable: np.ndarray,
    write_sidecars: Callable[[], Written],
    **notes: Any,
) -> dict[str, Any]:
    """Writes a folder of labels: side-cars, matrix, figures, checksums, and the summary last.

    Args:
      output_dir: for the labels.
      predictions: classes and shards; nothing else of it is read.
      labeller: classes of the labels, and the class of every cell.
      identity: of the labels. Finished ones of another identity are set aside, beside the folder.
      confusion: int64 [N, N], all clips.
      usable: int64 [N, N], the clips that the labeller was applied to.
      write_sidecars: writes the side-car of every shard.
      notes: further entries of the summary.

    Returns:
      The content of `summary.json`.

    Raises:
      UserError: as `stale_labels`, or another run is writing to the folder.
    """
    # matplotlib takes half a second: training, which reads labels, has no use for it.
    from spl_tf.labels import figures

    stale = stale_labels(output_dir, predictions)
    with locked(output_dir, "the labels"):
        if (output_dir / SUMMARY).exists() and read_json(output_dir / SUMMARY, _Identity, REMEDY).identity != identity:
            _set_aside(output_dir)
        # From here on the folder is incomplete until its summary is back.
        mirror.remove(output_dir / SUMMARY)
        for path in stale:
            path.unlink(missing_ok=True)
        written = write_sidecars()
        with atomic_path(output_dir / CONFUSION) as temporary:
            np.save(temporary, confusion)
        with atomic_path(output_dir / CELLS) as temporary:
            np.savez_compressed(temporary, table=labeller.table, merged=labeller.merges)
        figures.draw_confusion(confusion, predictions.classes, output_dir / "confusion.png")
        summary = _describe(predictions, labeller, confusion, usable, written) | notes | written.notes
        summary["identity"] = identity
        figures.draw_long_tail(np.array(summary["counts"]), labeller, output_dir / "long_tail.png")
        names = [*(f"{name}.parquet" for name in predictions.shards), CONFUSION, CELLS]
        checksums.complete(output_dir, dict.fromkeys(names), SUMMARY, json_text(summary))
    return summary


def _set_aside(folder: pathlib.Path) -> None:
    """Moves finished labels out of their folder, the summary last; what they were made from, like features, stays."""
    aside = unused_name(folder)
    aside.mkdir()
    print(f"{folder} holds other labels: set aside as {aside.name}", file=sys.stderr, flush=True)
    found = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    for path in sorted(found, key=lambda path: path.name == SUMMARY):
        path.rename(aside / path.name)


def _describe(
    predictions: Predictions,
    labeller: FittedLabeller,
    confusion: np.ndarray,
    usable: np.ndarray,
    written: Written,
) -> dict[str, Any]:
    """What `summary.json` says of the labels; `usable` counts the clips above the confidence threshold."""
    queries = query_agreement(confusion, predictions.classes)
    kept_of_shard = written.kept_of_shard
    kept = sum(kept_of_shard.values())
    merged = int(usable[labeller.merges].sum())
    return {
        "format_version": FORMAT_VERSION,
        "class_names": list(labeller.class_names),
        "num_classes": len(labeller.class_names),
        "target": labeller.form,
        # Whether the table says it all, or clips were judged by the teacher's scores too.
        "by_cell": not labeller.columns,
        "counts": written.clips_per_class.round().astype(np.int64).tolist(),
        "clips": predictions.num_clips,
        "kept": kept,
        "merged": merged,
        "discarded": predictions.num_clips - kept,
        "noise_ratio": noise_ratio(confusion),
        # Clips in cells that keep a class, as `confusion.samples_cover_ratio` counts them in the table.
        "samples_cover_ratio": (kept - merged) / predictions.num_clips,
        "source_classes": list(predictions.classes),
        "query_agreement": [row.as_json() for row in queries],
        "flagged_queries": [row.name for row in queries if row.flagged],
        "shards": {
            name: {
                "fingerprint": shard.shard_fingerprint,
                "records": shard.records,
                "kept": written.kept_of_shard[name],
            }
            for name, shard in predictions.shards.items()
        },
    }
