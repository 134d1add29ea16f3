"""One shard of another program, read once from its begin to its end: its heads are written, its clips counted."""

import collections
import contextlib
import dataclasses
import difflib
import gzip
import hashlib
import io
import math
import os
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from spl_tf import files
from spl_tf.data.clip import Clip
from spl_tf.data.indexing.foreign_record import (
    INDEX_DIFFERS,
    NO_TIMES,
    OTHER_RATE,
    ForeignClip,
    foreign_clip,
    parse,
)
from spl_tf.data.indexing.keys import RecordKeys
from spl_tf.data.record import head_to_bytes
from spl_tf.data.record_files import read_records, write_record
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.scaling import scaled_size
from spl_tf.labels.sidecar_files import ids_digest

_BUFFER_BYTES = 1 << 20
_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides the heads of all shards, beside their records.

    Attributes:
      classes: ordered class names.
      keys: of the fields.
      fps: frames per second.
      fps_is_given: whether it holds for records that state another.
      short_side: that frames are scaled to, pixels.
      short_side_is_given: whether it holds for records whose frames have another.
      keep_unlabelled: whether records without a label are used.
      compression: of the files, "" or "GZIP".
    """

    classes: tuple[str, ...]
    keys: RecordKeys
    fps: float
    fps_is_given: bool
    short_side: int
    short_side_is_given: bool
    keep_unlabelled: bool
    compression: str


@dataclasses.dataclass(frozen=True)
class Job:
    """A shard to read, and where its heads go."""

    path: str
    heads: str
    settings: Settings


@dataclasses.dataclass
class Scan:
    """What a shard holds.

    Attributes:
      records: that are used.
      num_bytes: of the file.
      sha256: of the file, hex.
      heads_sha256: of its heads.
      fingerprint: of both, one after the other.
      ids_digest: of the clip ids.
      clips_per_class: one number a class.
      multi_label: whether a clip has several labels.
      by_id: clips that have ids, but no names, of their classes.
      rejected: record, reason and detail of each that is left out.
      noted: clip id and note.
      videos: of the clips, where the records say them; each once.
      keys: name of a field -> records that have it.
    """

    records: int = 0
    num_bytes: int = 0
    sha256: str = ""
    heads_sha256: str = ""
    fingerprint: str = ""
    ids_digest: str = ""
    clips_per_class: list[int] = dataclasses.field(default_factory=list)
    multi_label: bool = False
    by_id: int = 0
    rejected: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)
    noted: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    videos: list[str] = dataclasses.field(default_factory=list)
    keys: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Fault:
    """A shard that cannot be indexed with these settings: what the user is told."""

    text: str


def scan(job: Job) -> Scan | Fault:
    """Reads a shard and writes its heads."""
    name = os.path.basename(job.path)
    heads = _Heads(job.settings)
    try:
        with files.atomic_path(job.heads) as temporary:
            with open(temporary, "wb") as file, _opened(job.path, job.settings.compression) as (shard, digest):
                for row, example in enumerate(examples(shard)):
                    write_record(file, heads.of(example, f"{name}#{row}", row))
            found = heads.found()
            found.sha256 = digest.hexdigest()
            content = temporary.read_bytes()
            found.heads_sha256 = hashlib.sha256(content).hexdigest()
            digest.update(content)
            found.fingerprint = digest.hexdigest()
    except ValueError as error:
        return Fault(f"{job.path} {error}")
    found.num_bytes = os.path.getsize(job.path)
    return found


def examples(shard: BinaryIO) -> Iterator[Any]:
    """The SequenceExamples of a shard; a ValueError says which record is damaged or none."""
    row = 0
    try:
        for content in read_records(shard):
            yield parse(content)
            row += 1
    except ValueError as error:
        raise ValueError(f"record {row} {error}") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"record {row} is damaged ({error})") from error


@contextlib.contextmanager
def _opened(path: files.Path, compression: str) -> Iterator[tuple[BinaryIO, Any]]:
    """The content of a shard, uncompressed, and a digest that is of the whole file when the block has ended."""
    with files.open_regular(path, "give files that are there") as file:
        hashed = _Hashed(file)
        buffered = io.BufferedReader(hashed, _BUFFER_BYTES)
        yield uncompressed(buffered, compression), hashed.digest
        while buffered.read(_BUFFER_BYTES):
            pass


def uncompressed(file: BinaryIO, compression: str) -> BinaryIO:
    """What a shard's file holds."""
    return cast(BinaryIO, gzip.open(file)) if compression else file


class _Hashed(io.RawIOBase):
    """A file that is read once, and hashed as it is read."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self.digest.update(memoryview(buffer)[:count])
        return count


class _Heads:
    """Makes the heads of a shard's records, and counts what they are."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._positions = {name: position for position, name in enumerate(settings.classes)}
        self._found = Scan(clips_per_class=[0] * len(settings.classes))
        self._clip_ids: list[str] = []
        self._videos: set[str] = set()
        self._keys: collections.Counter[str] = collections.Counter()
        self._wrong_names: dict[str, list[int]] = {}

    def found(self) -> Scan:
        """What was counted so far.

        Raises:
          ValueError: there were labels that are no class.
        """
        if self._wrong_names:
            raise ValueError(_wrong_names(self._wrong_names, self._settings.classes))
        self._found.records, self._found.ids_digest = len(self._clip_ids), ids_digest(self._clip_ids)
        self._found.videos, self._found.keys = sorted(self._videos), dict(self._keys)
        return self._found

    def of(self, example: Any, clip_id: str, row: int) -> bytes:
        """A record's head; empty where it is left out.

        Raises:
          ValueError: it does not fit the settings.
        """
        self._keys.update({*example.context.feature, *example.feature_lists.feature_list})
        settings = self._settings
        try:
            said = foreign_clip(example, settings.keys)
            height, width = scaled_size(said.height, said.width, settings.short_side)
            _require_fitting(said, settings)
            labels = self._labels(said, clip_id, row)
        except UnreadableError as error:
            self._found.rejected.append((row, error.kind, error.detail))
            return b""
        except ValueError as error:
            raise ValueError(f"record {row} {error}") from error
        self._count(said, labels, clip_id)
        period = 1e6 / settings.fps
        times = list(said.times_us or (said.start_us + round(number * period) for number in range(said.num_frames)))
        is_image = said.num_frames == 1
        clip = Clip(
            clip_id=clip_id,
            video_id=said.video or clip_id,
            labels=labels,
            label_texts=[settings.classes[label] for label in labels],
            start_us=times[0],
            end_us=times[0] if is_image else times[-1] + round(period),
            frame_rate=0.0 if is_image else settings.fps,
            height=height,
            width=width,
            frames=[],
            timestamps_us=times,
        )
        return head_to_bytes(clip, said.height, said.width)

    def _labels(self, said: ForeignClip, clip_id: str, row: int) -> list[int]:
        """Positions of a clip's labels in the classes, by their names or else by their ids."""
        if said.class_names:
            for name in said.class_names:
                if name not in self._positions:
                    self._wrong_names.setdefault(name, []).append(row)
            labels = [self._positions[name] for name in said.class_names if name in self._positions]
            if said.class_ids and sorted(said.class_ids) != sorted(labels):
                self._found.noted.append((clip_id, INDEX_DIFFERS))
            return labels
        for label in said.class_ids:
            if not 0 <= label < len(self._positions):
                raise ValueError(
                    f"has label id {label} ({self._settings.keys.label_index}), but there are {len(self._positions)} "
                    f"classes, 0 to {len(self._positions) - 1}: give the classes file that these ids are lines of"
                )
        if not said.class_ids and not self._settings.keep_unlabelled:
            raise UnreadableError("no label")
        self._found.by_id += bool(said.class_ids)
        return list(said.class_ids)

    def _count(self, said: ForeignClip, labels: list[int], clip_id: str) -> None:
        self._clip_ids.append(clip_id)
        for label in labels:
            self._found.clips_per_class[label] += 1
        self._found.multi_label |= len(labels) > 1
        if said.video:
            self._videos.add(said.video)
        if said.frame_rate and not _is_near(said.frame_rate, self._settings.fps):
            self._found.noted.append((clip_id, OTHER_RATE))
        if said.has_faulty_times:
            self._found.noted.append((clip_id, NO_TIMES))


def _require_fitting(said: ForeignClip, settings: Settings) -> None:
    """Raises ValueError where a clip needs a setting that was not given."""
    if not settings.short_side_is_given and min(said.height, said.width) != settings.short_side:
        raise ValueError(
            f"has frames of {said.width}x{said.height}, others a short side of {settings.short_side}: give "
            "--short_side, to which all are scaled as they are read"
        )
    if said.frame_rate and not settings.fps_is_given and not _is_near(said.frame_rate, settings.fps):
        raise ValueError(
            f"has {said.frame_rate:g} frames per second, others {settings.fps:g}: give --fps, which is taken for all"
        )


def _is_near(rate: float, fps: float) -> bool:
    return math.isclose(rate, fps, rel_tol=1e-3)


def _wrong_names(wrong: dict[str, list[int]], classes: tuple[str, ...]) -> str:
    """What is said of labels that are no class."""
    named = []
    for name, rows in list(wrong.items())[:_MOST_NAMED]:
        near = difflib.get_close_matches(name, classes, n=1, cutoff=0.0)[0]
        more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
        named.append(f"{name!r} (record {rows[0]}{more}; the nearest class is {near!r})")
    more = f" and {len(wrong) - _MOST_NAMED:,} others" if len(wrong) > _MOST_NAMED else ""
    return (
        f"has labels that are none of the {len(classes)} classes: {', '.join(named)}{more}: give a classes file with "
        "these names, or bind record_keys.label_text = () to go by label ids"
    )
