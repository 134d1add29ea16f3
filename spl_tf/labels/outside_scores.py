"""Scores of another tool for clips, found by clip id: a Parquet file in any order, brought into the order of shards."""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels.parquet_files import opened
from spl_tf.labels.predictions import Predictions
from spl_tf.labels.sidecar_files import BATCH_ROWS, read_predictions

_REMEDY = "give a Parquet file with the columns clip_id (string) and scores (lists of a probability a class)"
# How far probabilities may be from 1 in sum: as of float16.
_SUM_TOLERANCE = 1e-2
# A list of 200 scores is read as 800 bytes.
_ROWS_AT_ONCE = 1 << 14
_NO_CLIP = -1


class ClipIndex:
    """Where each clip of a web set is, by its id: 16 bytes a clip in memory.

    Ids are known by 64 bits of a hash. Of 24 million clips two share one in one of 60,000 data sets, which is an error.

    Args:
      predictions: of the web set.
    """

    def __init__(self, predictions: Predictions):
        hashes = [np.zeros(0, np.uint64)]
        with tqdm(total=predictions.num_clips, desc="clip ids", unit=" clips", unit_scale=True, delay=1) as bar:
            for shard in predictions.shards:
                for batch in read_predictions(predictions.path(shard), ["clip_id"]):
                    hashes.append(hashed(batch.column("clip_id")))
                    bar.update(batch.num_rows)
        found = np.concatenate(hashes)
        self._places = np.argsort(found, kind="stable")
        self._hashes = found[self._places]
        if (self._hashes[1:] == self._hashes[:-1]).any():
            raise UserError(f"{predictions.folder} holds a clip id twice: scores could be of either clip")

    def __len__(self) -> int:
        return len(self._hashes)

    def places(self, clip_ids: pa.Array) -> np.ndarray:
        """int64 [n]: places in the data set, -1 for clips that are not in it."""
        wanted = hashed(clip_ids)
        found = np.minimum(np.searchsorted(self._hashes, wanted), max(len(self) - 1, 0))
        return np.where(self._hashes[found] == wanted, self._places[found], _NO_CLIP)


def hashed(texts: pa.Array) -> np.ndarray:
    """uint64 [n]: a hash of each text, of eight bytes after eight (multiply and mix, as of MurmurHash3's finalizer)."""
    lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.uint64)
    width = -(-max(int(lengths.max(initial=0)), 1) // 8) * 8
    padded = np.array(pc.cast(texts, pa.binary()).to_pylist(), dtype=f"S{width}")
    words = padded.view(np.uint64).reshape(len(lengths), -1)
    mixed = lengths
    # Words beyond a text's end are left out: its hash does not depend on how long others are.
    for place, column in enumerate(words.T):
        mixed = np.where(lengths > 8 * place, _mix(mixed * np.uint64(0x9E3779B97F4A7C15) ^ column), mixed)
    return _mix(mixed)


def _mix(values: np.ndarray) -> np.ndarray:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values = (values ^ (values >> np.uint64(33))) * np.uint64(factor)
    return values ^ (values >> np.uint64(33))


@dataclasses.dataclass(frozen=True, eq=False)
class OutsideScores:
    """The k best classes and scores of every clip of a data set, in its order, mapped from files.

    Attributes:
      path: of the Parquet file.
      classes: int32 [n, k]; -1 where the file does not have the clip.
      scores: float32 [n, k].
      foreign: rows of the file whose clips are not in the data set.
    """

    path: pathlib.Path
    classes: np.ndarray
    scores: np.ndarray
    foreign: int


def read_outside_scores(
    path: Path, index: ClipIndex, num_classes: int, top_k: int, folder: pathlib.Path
) -> OutsideScores:
    """Reads a file of scores, some thousand rows at a time.

    Args:
      path: a Parquet file with the columns clip_id and scores.
      index: of the data set.
      num_classes: N, scores of each clip, in the order of the classes.
      top_k: how many are kept of a clip.
      folder: for two files of 4 bytes times clips times `top_k`.

    Raises:
      UserError: the file is missing, damaged or another one, scores are no probabilities of N classes, a clip occurs
        twice, or no clip is of the data set.
    """
    path, shape = pathlib.Path(path), (len(index), top_k)
    classes = np.lib.format.open_memmap(folder / "classes.npy", mode="w+", dtype=np.int32, shape=shape)
    scores = np.lib.format.open_memmap(folder / "scores.npy", mode="w+", dtype=np.float32, shape=shape)
    classes[:] = _NO_CLIP
    foreign = 0
    for first_row, clip_ids, values in _batches(path, num_classes):
        places = index.places(clip_ids)
        ours = np.flatnonzero(places != _NO_CLIP)
        foreign += len(places) - len(ours)
        places = places[ours]
        again = np.flatnonzero(classes[places, 0] != _NO_CLIP)
        if not len(again) and len(np.unique(places)) < len(places):
            _, firsts = np.unique(places, return_index=True)
            again = np.setdiff1d(np.arange(len(places)), firsts)
        if len(again):
            row = int(ours[again[0]])
            raise UserError(
                f"{path} row {first_row + row} has the clip {clip_ids[row].as_py()} again: keep one row of each"
            )
        best = np.argsort(-values[ours], axis=1, kind="stable")[:, :top_k]
        classes[places] = best
        scores[places] = np.take_along_axis(values[ours], best, axis=1)
    if not (classes[:, 0] != _NO_CLIP).any():
        raise UserError(f"{path} has no clip of these predictions: its clip_id must be theirs")
    return OutsideScores(path, classes, scores, foreign)


def _batches(path: pathlib.Path, num_classes: int) -> Iterator[tuple[int, pa.Array, np.ndarray]]:
    """First row, ids and scores float64 [n, N] of some rows after the others."""
    with opened(path, _REMEDY) as file:
        schema = file.schema_arrow
        kinds = {name: schema.field(name).type for name in schema.names}
        lists = kinds.get("scores")
        if kinds.get("clip_id") not in (pa.string(), pa.large_string()) or not (
            lists is not None
            and (pa.types.is_list(lists) or pa.types.is_large_list(lists) or pa.types.is_fixed_size_list(lists))
            and pa.types.is_floating(lists.value_type)
        ):
            raise UserError(f"{path} is no file of scores: {_REMEDY}")
        first_row = 0
        with tqdm(total=file.metadata.num_rows, desc=path.name, unit=" clips", unit_scale=True, delay=1) as bar:
            for batch in file.iter_batches(min(_ROWS_AT_ONCE, BATCH_ROWS), columns=["clip_id", "scores"]):
                ids, cells = batch.column("clip_id"), batch.column("scores")
                if ids.null_count or cells.null_count or cells.flatten().null_count:
                    raise UserError(f"{path} has empty cells from row {first_row} on: {_REMEDY}")
                sizes = pc.list_value_length(cells).to_numpy(zero_copy_only=False)
                if (wrong := np.flatnonzero(sizes != num_classes)).size:
                    raise UserError(
                        f"{path} row {first_row + wrong[0]} has {sizes[wrong[0]]} scores, there are {num_classes} "
                        "classes: give one a class, in the order of predictions.json"
                    )
                values = cells.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, num_classes)
                fault = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1)
                fault |= ~(np.abs(values.sum(axis=1) - 1) <= _SUM_TOLERANCE)
                if (wrong := np.flatnonzero(fault)).size:
                    raise UserError(
                        f"{path} row {first_row + wrong[0]} has scores that are no probabilities with the sum 1: give "
                        "those of a softmax"
                    )
                yield first_row, pc.cast(ids, pa.string()), values
                first_row += batch.num_rows
                bar.update(batch.num_rows)
