"""Labels, lengths and frame sizes of stored clips, read from the heads of their records: no frame is touched."""

import contextlib
import dataclasses
import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from google.protobuf.message import DecodeError
from tqdm import tqdm

from spl_tf.data import example_proto, record
from spl_tf.data.dataset import ClipDataset, Shard
from spl_tf.data.record_files import BYTES_BEFORE, BYTES_BEHIND
from spl_tf.errors import UserError
from spl_tf.remote import mirror

# A SequenceExample starts with its context: field 1, a varint length, the bytes. Ours take a few hundred.
_CONTEXT_TAG = 0x0A
_HEAD_BYTES = 4096


@dataclasses.dataclass(frozen=True)
class ClipHead:
    """What a record says of its clip before the frames.

    Attributes:
      shard: position of its shard in the data set.
      row: of the record in the shard.
      clip_id: of the record.
      video_id: of the upload.
      labels: class ids as stored.
      seconds: from the first moment to the end; 0 for an image.
      num_frames: by length and frame rate.
      height: of the frames, pixels.
      width: of the frames, pixels.
    """

    shard: int
    row: int
    clip_id: str
    video_id: str
    labels: tuple[int, ...]
    seconds: float
    num_frames: int
    height: int
    width: int


@dataclasses.dataclass(frozen=True)
class Survey:
    """The heads of all clips, or of whole shards drawn at random.

    Attributes:
      heads: by shard in the order of the draw, then by row.
      num_shards: shards that were looked into.
      unreadable: records of these shards without a readable head.
    """

    heads: list[ClipHead]
    num_shards: int
    unreadable: int


def survey(dataset: ClipDataset, rng: np.random.Generator, *, most_clips: int) -> Survey:
    """Reads the heads of the records of shards in random order until `most_clips` clips have been seen.

    What can't be read is counted and passed over; `spl_tf.data.verify` says what is wrong with it.
    """
    heads: list[ClipHead] = []
    seen = num_shards = 0
    total = min(most_clips, dataset.num_clips)
    with tqdm(total=total, desc="heads", unit="clip", delay=1) as bar:
        for position in rng.permutation(len(dataset.shards)):
            if seen >= most_clips:
                break
            shard = dataset.shards[position]
            heads += _shard_heads(int(position), shard)
            seen += shard.records
            num_shards += 1
            bar.update(shard.records)
    return Survey(heads, num_shards, seen - len(heads))


def read_heads(dataset: ClipDataset) -> Iterator[ClipHead]:
    """The heads of all records in the order of the data set.

    Raises:
      UserError: a record has no readable head.
    """
    with tqdm(total=dataset.num_clips, desc="heads", unit="clip", delay=1) as bar:
        for position, shard in enumerate(dataset.shards):
            row = 0
            for head in _shard_heads(position, shard):
                if head.row != row:
                    break
                yield head
                row += 1
            if row < shard.records:
                raise UserError(
                    f"{shard.path} record {row} has no readable head: python -m spl_tf.shard --verify={dataset.folder} "
                    "says what is wrong with it"
                )
            bar.update(shard.records)


def _shard_heads(position: int, shard: Shard) -> Iterator[ClipHead]:
    path = shard.heads or shard.path
    mirror.fetch(path)
    if not os.path.exists(path):
        return
    with open(path, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        offset = row = 0
        while row < shard.records:
            opened.seek(offset)
            before = opened.read(BYTES_BEFORE)
            if len(before) < BYTES_BEFORE:
                return
            (length,) = struct.unpack("<Q", before[:8])
            offset += BYTES_BEFORE + length + BYTES_BEHIND
            if offset > size:  # Cut short, or a damaged length: nothing behind it can be found.
                return
            if shard.heads and not length:  # Of a record that is left out.
                continue
            with contextlib.suppress(DecodeError, ValueError):
                yield _head(position, row, _context(opened, length))
            row += 1


def _context(opened: BinaryIO, length: int) -> Any:
    """The context of the record whose content starts here."""
    content = opened.read(min(length, _HEAD_BYTES))
    if content[:1] != bytes([_CONTEXT_TAG]):  # Another writer may put the frames first.
        content += opened.read(length - len(content))
        return example_proto.SequenceExample.FromString(content).context
    end, start, shift = 0, 1, 0
    for byte in content[1:11]:
        end += (byte & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if byte < 0x80:
            break
    missing = min(start + end, length) - len(content)
    if missing > 0:
        content += opened.read(missing)
    return example_proto.Features.FromString(content[start : start + end])


def _head(position: int, row: int, context: Any) -> ClipHead:
    fields = context.feature
    start, end = _integer(fields, record.START), _integer(fields, record.END)
    rates = fields[record.FRAME_RATE].float_list.value
    if len(rates) != 1:
        raise ValueError(f"no {record.FRAME_RATE}")
    seconds = (end - start) / 1e6
    return ClipHead(
        shard=position,
        row=row,
        clip_id=_text(fields, record.CLIP_ID),
        video_id=_text(fields, record.VIDEO_ID),
        labels=tuple(fields[record.LABELS].int64_list.value),
        seconds=seconds,
        num_frames=max(1, int(seconds * rates[0] + 0.5)),
        height=_integer(fields, record.HEIGHT),
        width=_integer(fields, record.WIDTH),
    )


def _text(fields: Any, key: str) -> str:
    values = fields[key].bytes_list.value
    if len(values) != 1:
        raise ValueError(f"no {key}")
    return values[0].decode()


def _integer(fields: Any, key: str) -> int:
    values = fields[key].int64_list.value
    if len(values) != 1:
        raise ValueError(f"no {key}")
    return values[0]
