"""A folder of predictions: one side-car per shard, and `predictions.json`, written last, that lists them."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import msgspec

from spl_tf import checksums
from spl_tf.errors import UserError
from spl_tf.files import TEMPORARY, Path, json_text
from spl_tf.labels import sidecar_files
from spl_tf.remote import mirror
from spl_tf.stored import Count, Name, read_json

FORMAT_VERSION = 1
PREDICT_AGAIN = "run spl_tf.predict again"
_WRITE_INDEX_AGAIN = f"delete this file alone and {PREDICT_AGAIN}, which predicts no clip twice"

_FILE_NAME = "predictions.json"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a folder of predictions holds, or is to hold.

    Attributes:
      folder: where the side-cars are.
      classes: ordered names of the N classes.
      shards: name -> what the header of its side-car says.
      temperature: at which the teacher's scores are read, see `calibration`; 1 for as they are stored.
    """

    folder: pathlib.Path
    classes: tuple[str, ...]
    shards: dict[str, sidecar_files.Header]
    temperature: float = 1.0

    @property
    def num_clips(self) -> int:
        return sum(shard.records for shard in self.shards.values())

    def path(self, shard: str) -> pathlib.Path:
        return self.folder / f"{shard}.parquet"


class _StoredShard(msgspec.Struct):
    fingerprint: str
    ids_digest: str
    records: Count


class _Stored(msgspec.Struct):
    """What this package reads of `predictions.json`."""

    classes: tuple[str, ...]
    shards: dict[Name, _StoredShard]
    made_by: dict[str, str | int] = {}


def made_by(predictions: Predictions) -> dict[str, str | int]:
    """Model and settings, the same for all side-cars."""
    return dict(next(iter(predictions.shards.values())).made_by)


def lists_predictions(folder: Path) -> bool:
    """Whether a folder holds finished predictions."""
    return (pathlib.Path(folder) / _FILE_NAME).exists()


def write_index(predictions: Predictions, made_by: Mapping[str, str | int], **notes: Any) -> dict[str, Any]:
    """Writes `predictions.json`, which makes the folder complete.

    Args:
      predictions: the folder; every shard's side-car is there.
      made_by: model and settings, as in every side-car.
      notes: further entries for the reader.

    Returns:
      its content.
    """
    content = {
        "format_version": FORMAT_VERSION,
        "classes": list(predictions.classes),
        "num_clips": predictions.num_clips,
        "made_by": dict(made_by),
        **notes,
        "shards": {
            name: {"fingerprint": header.shard_fingerprint, "ids_digest": header.ids_digest, "records": header.records}
            for name, header in predictions.shards.items()
        },
    }
    sidecars = dict.fromkeys(predictions.path(name).name for name in predictions.shards)
    checksums.complete(predictions.folder, sidecars, _FILE_NAME, json_text(content))
    return content


def read_index(folder: Path) -> dict[str, Any]:
    """The content of `predictions.json`, once it is what `open_predictions` reads."""
    records = (shard.records for shard in _read_stored(folder).shards.values())
    content = read_json(pathlib.Path(folder) / _FILE_NAME, dict[str, Any], _WRITE_INDEX_AGAIN)
    return content | {"num_clips": sum(records)}


def index_digest(folder: Path) -> str:
    """Hex SHA-256 of `predictions.json`: equal for equal predictions of equal shards.

    Raises:
      UserError: it is missing, damaged or edited.
    """
    return checksums.require_whole(pathlib.Path(folder) / _FILE_NAME, _WRITE_INDEX_AGAIN)


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """How often a teacher is right, and on what; as text "62.5% of its validation videos"."""

    top_1: float
    measured_on: str

    def __str__(self) -> str:
        return f"{self.top_1:.1%} of {self.measured_on}"


def measured_accuracy(folder: Path) -> Accuracy | None:
    """How often the teacher of these predictions is right; None where nobody measured it, or it is gone.

    Looked for where `predictions.json` says it was trained: the newest test of spl_tf.evaluate, else the validation
    of its training.
    """
    try:
        model_dir = mirror.open_folder(read_index(folder)["model_dir"])
        if tests := sorted(model_dir.glob("evaluate-*/metrics.json"), key=lambda path: path.stat().st_mtime):
            metrics = read_json(tests[-1], dict[str, Any], PREDICT_AGAIN)
            return Accuracy(float(metrics["top_1"]), f"the videos of {metrics['shards']}")
        metrics = read_json(model_dir / "metrics.json", dict[str, Any], PREDICT_AGAIN)
        top_1 = {entry["step"]: entry["top_1"] for entry in metrics["evaluations"]}[metrics["selected_step"]]
        return Accuracy(float(top_1), "its validation videos")
    except (UserError, KeyError, TypeError, ValueError, AttributeError):
        return None  # It is a note beside the numbers: labels need none of these files.


def remove_index(folder: Path) -> None:
    """Marks a folder as incomplete."""
    mirror.remove(pathlib.Path(folder) / _FILE_NAME)


def finished_shards(predictions: Predictions) -> set[str]:
    """Names of the shards whose side-car is there already.

    Args:
      predictions: what the folder is to hold.

    Raises:
      UserError: a file in the folder is damaged, is no prediction, belongs to another
        shard, or was predicted by another model or with other settings.
    """
    folder = predictions.folder
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose a folder for the predictions")
    if (folder / "summary.json").exists():
        raise UserError(f"{folder} holds labels, which predictions would overwrite: use another --output_dir")
    finished = set()
    for path in sorted(folder.glob("*.parquet")):
        if path.match(TEMPORARY):
            continue
        wanted = predictions.shards.get(path.stem)
        if wanted is None:
            raise UserError(f"{path} belongs to no shard of this data set: use another --output_dir")
        found = sidecar_files.read_header(
            path, sidecar_files.PREDICTION, "use another --output_dir, or delete the file"
        )
        if dataclasses.replace(found, made_by=wanted.made_by) != wanted:
            raise UserError(f"{path} is of another shard of that name: use another --output_dir, or delete the file")
        names = dict.fromkeys([*wanted.made_by, *found.made_by])
        different = [name for name in names if wanted.made_by.get(name) != found.made_by.get(name)]
        if different:
            raise UserError(
                f"{path} was predicted with another {different[0]}: use another --output_dir, or move {folder} away"
            )
        finished.add(path.stem)
    return finished


def open_predictions(folder: Path) -> Predictions:
    """Reads `predictions.json` and checks it against the headers of all side-cars.

    Raises:
      UserError: a file is missing, damaged, or not the one that `predictions.json` lists.
    """
    folder = pathlib.Path(folder)
    index = folder / _FILE_NAME
    stored = _read_stored(folder)
    shards = {
        name: sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest, stored.made_by)
        for name, shard in stored.shards.items()
    }
    predictions = Predictions(folder, stored.classes, shards)
    missing = [predictions.path(name).name for name in shards if not predictions.path(name).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UserError(f"{folder} lacks {', '.join(missing[:3])}{more}, listed in {_FILE_NAME}: {PREDICT_AGAIN}")
    for name, listed in shards.items():
        path = predictions.path(name)
        header = sidecar_files.read_header(path, sidecar_files.PREDICTION, PREDICT_AGAIN)
        if header.records != listed.records:
            raise UserError(f"{path} has {header.records} rows, {index} says {listed.records}: {PREDICT_AGAIN}")
        if header.made_by != listed.made_by:
            raise UserError(f"{path} was predicted otherwise than {index} says: {PREDICT_AGAIN}")
        if header != listed:
            raise UserError(f"{path} is of another shard than {index} lists: {PREDICT_AGAIN}")
    if not predictions.num_clips:
        raise UserError(f"{folder} holds predictions of no clips: nothing to label")
    return predictions


def _read_stored(folder: Path) -> _Stored:
    remedy = _WRITE_INDEX_AGAIN if lists_predictions(folder) else "run spl_tf.predict first"
    stored = read_json(pathlib.Path(folder) / _FILE_NAME, _Stored, remedy, version=FORMAT_VERSION)
    index_digest(folder)
    return stored
