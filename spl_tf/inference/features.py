"""Pooled features and scores of every clip, in files that are read where they lie.

A million clips with 2,048 features are 4 GB of float16. They are written shard by shard as the
network runs and then mapped, never loaded: memory holds what is asked for.
"""

import contextlib
import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from spl_tf import checksums, claims, files
from spl_tf.arrays import map_array
from spl_tf.claims import Claims, Task
from spl_tf.data.dataset import Shard
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import whole_batch
from spl_tf.inference.engine import Run, inference_engine, run_of
from spl_tf.inference.scores import ClipScores, score_trained
from spl_tf.inference.trained_model import load_with_clips
from spl_tf.labels.sidecar_files import ids_digest
from spl_tf.stored import read_json

_IDENTITY = "features.json"
_CLAIMS = ".claims"
_MAKE_AGAIN = "delete this file alone and run the same command again"


@dataclasses.dataclass(frozen=True, eq=False)
class ClipFeatures:
    """What a network says of every clip of a data set.

    Attributes:
      tables: one structured array a shard that holds clips, in the order of the data set, with the fields
        "clip_id" (UTF-8), "label" (int32) and "scores" (float32 [N]); mapped from files.
      features: float16 [records, C] of the same shards; mapped from files.
    """

    tables: Sequence[np.ndarray]
    features: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_features(self) -> int:
        return self.features[0].shape[1]

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """int32 [n]: every clip's own label."""
        return np.concatenate([table["label"] for table in self.tables])

    def scores(self) -> np.ndarray:
        """float32 [n, N]: 4 bytes times clips times classes."""
        return np.concatenate([table["scores"] for table in self.tables])

    def predictions(self) -> np.ndarray:
        """int32 [n]: the class with the highest score."""
        return np.concatenate([table["scores"].argmax(axis=1).astype(np.int32) for table in self.tables])

    def clip_ids(self) -> Iterator[list[str]]:
        """The ids of one shard after the other."""
        for table in self.tables:
            yield _decoded(table)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """float32 [len(rows), C]: features of clips by their place in the data set."""
        found = np.empty((len(rows), self.num_features), np.float32)
        positions = np.searchsorted(self._ends, rows, side="right")
        for position in np.unique(positions):
            chosen, features = positions == position, self.features[position]
            found[chosen] = features[rows[chosen] - (self._ends[position] - len(features))]
        return found

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum([len(features) for features in self.features])


@gin.configurable(denylist=["task"])
def clip_features(
    model_dir: files.Path,
    shards: files.Path,
    folder: files.Path,
    *,
    num_views: int = 1,
    batch_size: int = 16,
    precision: str = "auto",
    task: Task | None = None,
) -> ClipFeatures:
    """Runs a trained network over all clips; a shard whose file stands is not run again.

    Args:
      model_dir: folder of a finished stage.
      shards: folder of shards of the same classes.
      folder: gets `features.json`, `<shard>.features.npy` with 2 bytes a feature of every clip, and `<shard>.npy`
        with its id, label and scores, 4 bytes a class.
      num_views: uniformly spaced temporal views of each clip.
      batch_size: views at once.
      precision: "auto", "float32" or "bfloat16".
      task: this process is one of several, on any hosts, that run it together; each returns when all is done.

    Raises:
      UserError: network and data don't fit together, there is no clip, a record can't be read, features are not
        finite, the other tasks were asked for something else, or the folder holds damaged files, or features of
        another network, other settings or other shards.
    """
    trained, dataset, strategy = load_with_clips(model_dir, shards, precision)
    folder = pathlib.Path(folder)
    with files.locked(folder, "the features", shared=task is not None):
        made_by = {"model": trained.weights_hash, "precision": trained.precision, "num_views": num_views}
        made_by |= dataclasses.asdict(trained.clip_input)
        if (engine := inference_engine()) is not None:
            made_by["engine"] = engine.title()
        _require_identity(folder, made_by | {"shards": {shard.name: shard.fingerprint for shard in dataset.shards}})
        # A shard without clips has no files: nobody knows how wide they would be.
        filled = [place for place, shard in enumerate(dataset.shards) if shard.records]
        whole = whole_batch(batch_size, strategy)
        asked = made_by | {"batch_size": whole, "tensorflow": tf.__version__, "keras": keras.__version__}

        def write(places: Sequence[int]) -> None:
            options: dict[str, Any] = {"batch_size": batch_size, "num_views": num_views, "batch_over_shards": False}
            options |= {"run": run(), "description": "features", "shards": places}
            with contextlib.closing(score_trained(trained, dataset, strategy, **options)) as clips:
                for place in places:
                    _write(folder, dataset.shards[place], clips)

        @functools.cache
        def run() -> Run:
            return run_of(trained, dataset, strategy, whole)

        if task is None:
            if missing := [place for place in filled if not _is_written(folder, dataset.shards[place])]:
                write(missing)
        else:
            _write_with(task, asked, folder, [dataset.shards[place] for place in filled], filled, write)
        mapped = [_map_shard(folder, dataset.shards[place]) for place in filled]
        return ClipFeatures(*zip(*mapped, strict=True))


def _write_with(
    task: Task,
    asked: Mapping[str, Any],
    folder: pathlib.Path,
    filled: Sequence[Shard],
    places: Sequence[int],
    write: Callable[[Sequence[int]], None],
) -> None:
    """Writes the shards that this task claims, until all are there."""
    shards = {shard.name: shard for shard in filled}
    place_of = dict(zip(shards, places, strict=True))
    tasks = Claims(folder / _CLAIMS, task)
    tasks.require_same(asked)

    def is_done(name: str) -> bool:
        return _is_written(folder, shards[name])

    with tasks.beating(), claims.overtaken(tasks, lambda: all(map(is_done, shards))):
        for mine in tasks.rounds(list(shards), is_done):
            for name in mine:
                write([place_of[name]])
    tasks.clear()
    for leftover in folder.glob(files.TEMPORARY):
        leftover.unlink(missing_ok=True)


def _table_path(folder: pathlib.Path, shard: Shard) -> pathlib.Path:
    return folder / f"{shard.name}.npy"


def _features_path(folder: pathlib.Path, shard: Shard) -> pathlib.Path:
    return folder / f"{shard.name}.features.npy"


def _is_written(folder: pathlib.Path, shard: Shard) -> bool:
    return _table_path(folder, shard).exists() and _features_path(folder, shard).exists()


def _decoded(table: np.ndarray) -> list[str]:
    return [clip_id.decode(errors="replace") for clip_id in table["clip_id"].tolist()]


def _require_identity(folder: pathlib.Path, identity: dict) -> None:
    path = folder / _IDENTITY
    remedy = f"move {folder} away, or choose another folder for the features"
    if not path.exists():
        if any(folder.glob("*.npy")):
            raise UserError(f"{folder} holds .npy files, but no {_IDENTITY} that says of what: {remedy}")
        files.write_json(path, checksums.sealed(identity))
    elif checksums.unsealed(read_json(path, dict[str, Any], remedy), path, remedy) != identity:
        raise UserError(f"{path} is of another network, other settings or other shards: {remedy}")


def _write(folder: pathlib.Path, shard: Shard, clips: Iterator[ClipScores]) -> None:
    """Writes the files of the shard that the next clips belong to; the table last, which makes them complete."""
    shard_clips = list(itertools.islice(clips, shard.records))
    clip_ids = [clip.clip_id.encode() for clip in shard_clips]
    columns = [
        ("clip_id", f"S{max(map(len, clip_ids))}"),
        ("label", "<i4"),
        ("scores", "<f4", shard_clips[0].scores.shape),
    ]
    table = np.empty(len(shard_clips), columns)
    table["clip_id"] = clip_ids
    table["label"] = [clip.label for clip in shard_clips]
    table["scores"] = [clip.scores for clip in shard_clips]
    with np.errstate(over="ignore"):
        features = np.array([clip.features for clip in shard_clips]).astype(np.float16)
    if (wrong := np.flatnonzero(~np.isfinite(features).all(axis=1))).size:
        raise UserError(
            f"the network's features of clip {shard_clips[wrong[0]].clip_id} in {shard.path} are not finite or beyond "
            "65,504: train it again, e.g. with a smaller learning rate"
        )
    for path, values in ((_features_path(folder, shard), features), (_table_path(folder, shard), table)):
        with files.atomic_path(path) as temporary, open(temporary, "wb") as opened:
            np.save(opened, values)
            opened.flush()
            checksums.append_checksum(temporary)


def _map_shard(folder: pathlib.Path, shard: Shard) -> tuple[np.ndarray, np.ndarray]:
    table, features = (_map(path(folder, shard)) for path in (_table_path, _features_path))
    if table.dtype.names != ("clip_id", "label", "scores") or table.ndim != 1 or features.ndim != 2:
        raise UserError(f"{_table_path(folder, shard)} and what is beside it are no features of clips: {_MAKE_AGAIN}")
    if len(features) != len(table) or ids_digest(_decoded(table)) != shard.ids_digest:
        raise UserError(f"{_table_path(folder, shard)} is of other clips than {shard.path}: {_MAKE_AGAIN}")
    if (wrong := np.flatnonzero(~np.isfinite(table["scores"]).all(axis=1))).size:
        raise UserError(
            f"{_table_path(folder, shard)} has scores of clip {table['clip_id'][wrong[0]].decode()} that are not "
            f"finite: the network is broken; delete {folder} and train it again"
        )
    return table, features


def _map(path: pathlib.Path) -> np.ndarray:
    is_whole = checksums.ends_with_checksum(path)
    values = map_array(path, _MAKE_AGAIN)
    # Older files have no last line with a checksum.
    if is_whole or path.stat().st_size == getattr(values, "offset", 0) + values.nbytes:
        return values
    raise UserError(f"{path} is damaged (it has another checksum than its last line says): {_MAKE_AGAIN}")
