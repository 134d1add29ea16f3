"""A folder of shards as its `dataset.json` describes it. No TensorFlow, so label and recipe can read it lightly."""

import dataclasses
import os
import pathlib
import stat
from typing import Annotated, Literal

import msgspec

from spl_tf import checksums, files
from spl_tf.errors import UserError
from spl_tf.remote import mirror
from spl_tf.stored import Count, Name, Positive, Seconds, read_json

FORMAT_VERSION = 1
FILE_NAME = "dataset.json"
_REMEDY = "run spl_tf.shard"
HEADS = ".heads"
_RESTORE = "copy it again, or move the folder away and run spl_tf.shard; spl_tf.shard --verify looks at its shards"


@dataclasses.dataclass(frozen=True)
class ForeignRecords:
    """How the records of shards that another program wrote are read: see `spl_tf.data.indexing`.

    Attributes:
      folder: of the index, where each shard has a file `<name>.heads`: for each of its records, in order, what a record
        of ours says of its clip, without the frames; an empty one for a record that is left out.
      frames: key of the feature list with the frames, JPEG or PNG; they are scaled to the data set's `short_side`.
      compression: of the shards, "" or "GZIP".
    """

    folder: str
    frames: str
    compression: str


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
      name: file name without `.tfrecord`, e.g. `web-00003-of-00008`; the whole name of a file that another program
        wrote. Side-cars carry it too.
      path: the file.
      records: number of clips in it.
      start: number of clips in the shards before it: `start + row` is a clip's dense index.
      num_bytes: size of the file.
      fingerprint: hex SHA-256 of the file; where there are heads, of it and them, one after the other.
      ids_digest: hex SHA-256 of its clip ids in record order, joined by line breaks.
      heads: of a file that another program wrote, see `ForeignRecords`; else empty.
    """

    name: str
    path: str
    records: int
    start: int
    num_bytes: int
    fingerprint: str
    ids_digest: str
    heads: str = ""


@dataclasses.dataclass(frozen=True)
class ClipDataset:
    """A finished folder of shards.

    Attributes:
      folder: where it lies.
      classes: ordered class names; a label is a position in it.
      shards: in the order of their start offsets.
      num_clips: over all shards.
      num_videos: that gave at least one clip.
      clips_per_class: class name -> clips that carry it, in the order of `classes`.
      clip_seconds: length of a clip; 0 where a record is a whole video.
      fps: frames per second of the clips.
      short_side: of the stored frames, pixels.
      jpeg_quality: 1 to 100; None where another program encoded the frames.
      multi_label: whether any clip has several labels.
      rejected: reason -> rows of the manifest that gave no clip (listed in `rejected.csv`).
      notes: fault -> rows that gave clips though their video has it (listed in `notes.csv`).
      foreign: how the records are read where another program wrote them; None for ours.
    """

    folder: str
    classes: tuple[str, ...]
    shards: tuple[Shard, ...]
    num_clips: int
    num_videos: int
    clips_per_class: dict[str, int]
    clip_seconds: float
    fps: float
    short_side: int
    jpeg_quality: int | None
    multi_label: bool
    rejected: dict[str, int]
    notes: dict[str, int] = dataclasses.field(default_factory=dict)
    foreign: ForeignRecords | None = None

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def made_by(self) -> str:
        """The command that wrote the description."""
        return "spl_tf.index" if self.foreign else "spl_tf.shard"


class _StoredForeign(msgspec.Struct):
    """`foreign` in `dataset.json`."""

    folder: str  # Of the shards: as is, or relative to that of `dataset.json`.
    frames: str
    compression: Literal["", "GZIP"]


class _StoredShard(msgspec.Struct):
    """An entry of `shards` in `dataset.json`."""

    name: Name
    records: Count
    start: Count
    bytes: Count
    fingerprint: str
    ids_digest: str


class _Stored(msgspec.Struct):
    """What this package reads of `dataset.json`, by the names of `ClipDataset`."""

    classes: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    shards: tuple[_StoredShard, ...]
    num_clips: Count
    num_videos: Count
    clips_per_class: dict[str, Count]
    clip_seconds: Seconds
    fps: Annotated[float, msgspec.Meta(gt=0)]
    short_side: Positive
    jpeg_quality: Positive | None
    multi_label: bool
    rejected: dict[str, Count]
    notes: dict[str, Count] = {}  # None before version 0.3.
    foreign: _StoredForeign | None = None

    def __post_init__(self) -> None:
        if self.clips_per_class.keys() != set(self.classes):
            raise ValueError("clips_per_class names other classes than classes")
        if len(self.clips_per_class) < len(self.classes):
            raise ValueError("two classes have one name")
        if len({shard.name for shard in self.shards}) < len(self.shards):
            raise ValueError("two shards have one name")


def load_dataset(folder: files.Path) -> ClipDataset:
    """Reads a shard folder's description and checks that its shards are there in full length.

    Raises:
      UserError: `dataset.json` is missing, damaged, edited or of a newer format, or a shard
        is missing or has another size than written; names the file.
    """
    dataset = read_description(folder)
    require_whole_description(folder)
    for shard in dataset.shards:
        fault = file_fault(shard)
        if fault:
            raise UserError(
                f"{shard.path} {fault}: run {dataset.made_by} into an empty folder, or copy the shard again"
            )
    return dataset


def require_whole_description(folder: files.Path) -> None:
    """Raises UserError where `dataset.json` is not as it was written."""
    checksums.require_whole(pathlib.Path(folder) / FILE_NAME, _RESTORE)


def read_description(folder: files.Path) -> ClipDataset:
    """Reads `dataset.json` without looking at the shards; raises as `load_dataset` does."""
    folder = pathlib.Path(folder)
    stored = read_json(folder / FILE_NAME, _Stored, _REMEDY, version=FORMAT_VERSION)
    foreign = stored.foreign
    shards = tuple(
        Shard(
            name=entry.name,
            path=str(folder / (foreign.folder if foreign else "") / f"{entry.name}{'' if foreign else '.tfrecord'}"),
            records=entry.records,
            start=entry.start,
            num_bytes=entry.bytes,
            fingerprint=entry.fingerprint,
            ids_digest=entry.ids_digest,
            heads=str(folder / f"{entry.name}{HEADS}") if foreign else "",
        )
        for entry in stored.shards
    )
    fields = {field: getattr(stored, field) for field in stored.__struct_fields__}
    fields["foreign"] = ForeignRecords(str(folder), foreign.frames, foreign.compression) if foreign else None
    return ClipDataset(**fields | {"folder": str(folder), "shards": shards})


def file_fault(shard: Shard) -> str | None:
    """What is wrong with a shard's file as such: missing, no file or of another size. None when nothing is."""
    if shard.heads and not os.path.isfile(shard.heads):
        return f"has no {shard.heads}"
    try:
        status = os.stat(shard.path)
    except FileNotFoundError:
        num_bytes = mirror.size(shard.path)
    else:
        if not stat.S_ISREG(status.st_mode):
            return "is no regular file"
        num_bytes = status.st_size
    if num_bytes is None:
        return "is missing"
    if num_bytes != shard.num_bytes:
        return f"has {num_bytes:,} bytes, {FILE_NAME} says {shard.num_bytes:,}"
    return None
