"""Drawn clips as strips of small pictures: only their records are read, only the shown frames decoded."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import tensorflow as tf

from spl_tf.data.clip import Clip
from spl_tf.data.dataset import ClipDataset, ForeignRecords
from spl_tf.data.record import FRAMES, clip_from_bytes
from spl_tf.data.record_lengths import impossible_length
from spl_tf.data.record_reading import shard_records
from spl_tf.data.sidecars import Place
from spl_tf.remote import mirror

BOX_WIDTH, BOX_HEIGHT = 112, 84
"""Pixels of one frame in a strip; other shapes are fitted inside."""

_PAPER = 255
# Skipping moves on in the file, but fills the reader's buffer at every record.
_BUFFER_BYTES = 1 << 14


@dataclasses.dataclass(frozen=True, eq=False)
class Strip:
    """A few frames of one clip.

    Attributes:
      place: where the clip is stored.
      clip_id: its id.
      picture: uint8 [84, 112 * frames, 3], RGB.
      label_texts: names of its classes.
      key: of its upload's row in a table of metadata; may be empty.
    """

    place: Place
    clip_id: str
    picture: np.ndarray
    label_texts: tuple[str, ...] = ()
    key: str = ""


def read_strips(dataset: ClipDataset, places: Sequence[Place], num_frames: int) -> Iterator[Strip | None]:
    """The strips of clips in the order of `places`; None where a record can't be read.

    Args:
      dataset: the shards, of which some may be missing or damaged.
      places: read fastest in the order of the shards.
      num_frames: evenly spaced over the clip's time, its first and last frame among them; a shorter clip has fewer.
    """
    names = [(dataset.shards[place.shard].path, place.row) for place in places]
    frames_key = dataset.foreign.frames if dataset.foreign else FRAMES
    for place, content in zip(places, _read_records(names, dataset.foreign), strict=True):
        try:
            yield _strip(place, clip_from_bytes(content, frames_key), num_frames)
        except (ValueError, tf.errors.InvalidArgumentError):
            yield None


def _read_records(names: Sequence[tuple[str, int]], foreign: ForeignRecords | None) -> Iterator[bytes]:
    """Contents of records given by file and row; empty where the file is missing, too short, damaged or hostile."""
    done = 0
    mirror.fetch(*{path for path, _ in names})
    compressed = foreign is not None and foreign.compression
    unusable = {
        path
        for path in {path for path, _ in names}
        if not os.path.isfile(path) or (not compressed and impossible_length(path))
    }
    read = functools.partial(_read_record, foreign=foreign)
    while done < len(names):
        if names[done][0] in unusable:
            done += 1
            yield b""
            continue
        paths, rows = zip(*itertools.takewhile(lambda name: name[0] not in unusable, names[done:]), strict=True)
        records = tf.data.Dataset.from_tensor_slices((list(paths), np.array(rows, np.int64))).flat_map(read)
        try:
            for content in records.as_numpy_iterator():
                done += 1
                yield content
        except tf.errors.OpError:  # Of this record only: go on behind it.
            done += 1
            yield b""


@tf.autograph.experimental.do_not_convert
def _read_record(path: tf.Tensor, row: tf.Tensor, foreign: ForeignRecords | None) -> tf.data.Dataset:
    """One record, its checksum compared; those before it are skipped by their lengths, unread."""
    records = shard_records(path, foreign, _BUFFER_BYTES).skip(row)
    return records.concatenate(tf.data.Dataset.from_tensors(b"")).take(1)


def _strip(place: Place, clip: Clip, num_frames: int) -> Strip:
    boxes = []
    for index in _evenly_spaced(clip.timestamps_us, num_frames):
        frame = tf.io.decode_jpeg(clip.frames[index], channels=3).numpy()
        boxes.append(_fitted(frame))
    return Strip(place, clip.clip_id, np.concatenate(boxes, axis=1), tuple(clip.label_texts), clip.key)


def _evenly_spaced(times_us: Sequence[int], num_frames: int) -> list[int]:
    """Indices of the frames nearest to `num_frames` even moments from the first to the last; one frame: the middle."""
    first, last = times_us[0], times_us[-1]
    moments = np.linspace(first, last, num_frames) if num_frames > 1 else np.array([(first + last) / 2])
    return np.unique(np.abs(np.array(times_us)[None] - moments[:, None]).argmin(axis=1)).tolist()


def _fitted(frame: np.ndarray) -> np.ndarray:
    """The frame, uint8 [H, W, 3], as large as fits into a box, in its middle: uint8 [84, 112, 3]."""
    height, width = frame.shape[:2]
    scale = min(BOX_HEIGHT / height, BOX_WIDTH / width)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    box = np.full((BOX_HEIGHT, BOX_WIDTH, 3), _PAPER, np.uint8)
    top, left = (BOX_HEIGHT - size[1]) // 2, (BOX_WIDTH - size[0]) // 2
    box[top : top + size[1], left : left + size[0]] = small
    return box
