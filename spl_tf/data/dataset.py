"""A folder of shards as its `dataset.json` describes it. No TensorFlow, so label and recipe can read it lightly."""

import dataclasses
import os
import pathlib

from spl_tf import files
from spl_tf.errors import UserError

FORMAT_VERSION = 1
FILE_NAME = "dataset.json"
_REMEDY = "run spl_tf.shard"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
      name: file name without its suffix, e.g. `web-00003-of-00008`; side-cars carry it too.
      path: the file.
      records: number of clips in it.
      start: number of clips in the shards before it: `start + row` is a clip's dense index.
      num_bytes: size of the file.
      fingerprint: hex SHA-256 of the file.
      ids_digest: hex SHA-256 of its clip ids in record order, joined by line breaks.
    """

    name: str
    path: str
    records: int
    start: int
    num_bytes: int
    fingerprint: str
    ids_digest: str


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
      jpeg_quality: 1 to 100.
      multi_label: whether any clip has several labels.
      rejected: reason -> rows of the manifest that gave no clip (listed in `rejected.csv`).
      notes: fault -> rows that gave clips though their video has it (listed in `notes.csv`).
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
    jpeg_quality: int
    multi_label: bool
    rejected: dict[str, int]
    notes: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        return len(self.classes)


def load_dataset(folder: files.Path) -> ClipDataset:
    """Reads a shard folder's description and checks that its shards are there in full length.

    Raises:
      UserError: `dataset.json` is missing, damaged or of a newer format, or a shard
        is missing or has another size than written; names the file.
    """
    dataset = read_description(folder)
    for shard in dataset.shards:
        fault = file_fault(shard)
        if fault:
            raise UserError(f"{shard.path} {fault}: {_REMEDY} into an empty folder, or copy the shard again")
    return dataset


def read_description(folder: files.Path) -> ClipDataset:
    """Reads `dataset.json` without looking at the shards; raises as `load_dataset` does."""
    folder = pathlib.Path(folder)
    path = folder / FILE_NAME
    description = files.read_json(path, _REMEDY)
    try:
        if description["format_version"] != FORMAT_VERSION:
            raise UserError(
                f"{path} has format version {description['format_version']}, this package reads {FORMAT_VERSION}: "
                "use the package version it was written with"
            )
        shards = tuple(
            Shard(
                name=entry["name"],
                path=str(folder / f"{entry['name']}.tfrecord"),
                records=int(entry["records"]),
                start=int(entry["start"]),
                num_bytes=int(entry["bytes"]),
                fingerprint=entry["fingerprint"],
                ids_digest=entry["ids_digest"],
            )
            for entry in description["shards"]
        )
        classes, clips_per_class = tuple(description["classes"]), dict(description["clips_per_class"])
        if clips_per_class.keys() != set(classes):
            raise ValueError("clips_per_class names other classes than classes")
        return ClipDataset(
            folder=str(folder),
            classes=classes,
            shards=shards,
            num_clips=int(description["num_clips"]),
            num_videos=int(description["num_videos"]),
            clips_per_class=clips_per_class,
            clip_seconds=float(description["clip_seconds"]),
            fps=float(description["fps"]),
            short_side=int(description["short_side"]),
            jpeg_quality=int(description["jpeg_quality"]),
            multi_label=bool(description["multi_label"]),
            rejected=dict(description["rejected"]),
            notes=dict(description.get("notes", {})),  # None before version 0.3.
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}): {_REMEDY}") from error


def file_fault(shard: Shard) -> str | None:
    """What is wrong with a shard's file as such: missing or of another size. None when nothing is."""
    try:
        num_bytes = os.stat(shard.path).st_size
    except FileNotFoundError:
        return "is missing"
    if num_bytes != shard.num_bytes:
        return f"has {num_bytes:,} bytes, {FILE_NAME} says {shard.num_bytes:,}"
    return None
