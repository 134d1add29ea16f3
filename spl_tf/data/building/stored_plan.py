"""A plan on disk, of which one shard is in memory at a time: a task of a large set needs no more of it."""

import dataclasses
import hashlib
import json
import operator
import pathlib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_type_hints

import msgspec

from spl_tf import checksums, files
from spl_tf.data.building.plan import Plan, PlannedCut, ShardPlan
from spl_tf.data.manifest import Rejection, Video
from spl_tf.errors import UserError
from spl_tf.remote import addresses
from spl_tf.stored import Count, Name

# The fields of a row in their order; `dataclasses.astuple` copies all that is in them.
_VIDEO = operator.attrgetter(*(field.name for field in dataclasses.fields(Video)))
_REJECTION = operator.attrgetter(*(field.name for field in dataclasses.fields(Rejection)))

# The types of such rows.
_STORED_REJECTION: Any = types.GenericAlias(tuple, (*get_type_hints(Rejection).values(),))
_STORED_CUT: Any = types.GenericAlias(tuple, (*get_type_hints(Video).values(), tuple[Count, ...] | None))
_STORED_SHARD: Any = tuple[Name, Annotated[tuple[_STORED_CUT, ...], msgspec.Meta(min_length=1)]]
_HEAD: Any = tuple[Count, tuple[_STORED_REJECTION, ...], tuple[_STORED_REJECTION, ...]]


def write_plan(path: pathlib.Path, settings: Mapping[str, Any], plan: Plan, *, first: bool = False) -> None:
    """JSON: the settings; the number of shards, the rejected and the noted rows; a shard a line; and a checksum.

    With `first`, a file that is there stays.
    """
    with files.atomic_path(path, first=first) as temporary, open(temporary, "w", encoding="utf-8") as opened:
        opened.write(f"{json.dumps(settings)}\n")
        rows = ([_REJECTION(row) for row in some] for some in (plan.rejected, plan.noted))
        opened.write(f"{json.dumps([len(plan.shards), *rows])}\n")
        for shard in plan.shards:
            opened.write(
                f"{json.dumps([shard.name, [[*_VIDEO(_shown(cut.video)), cut.windows] for cut in shard.cuts]])}\n"
            )
        opened.flush()
        checksums.append_checksum(temporary)


class StoredPlan:
    """What `write_plan` wrote.

    Attributes:
      num_videos: name of a shard -> how many videos are cut for it, in the plan's order.

    Raises:
      ValueError, RecursionError: the file is no such plan, but one of another version.
    """

    def __init__(self, path: pathlib.Path):
        self._path = path
        self.num_videos: dict[str, int] = {}
        self._places: dict[str, tuple[int, int]] = {}
        with open(path, "rb") as opened:
            self.settings, head = (opened.readline() for _ in range(2))
            (count, *_), place = _decoded(head, _HEAD), opened.tell()
            for line in opened:
                if line.startswith(b"["):
                    shard = _shard(line)
                    self.num_videos[shard.name] = len(shard.cuts)
                    self._places[shard.name] = place, len(line)
                place += len(line)
        if len(self._places) != count:
            raise ValueError(f"{len(self._places)} of {count} shards")

    def shard(self, name: str) -> ShardPlan:
        """Of one of the names."""
        return _shard(self._line(name))

    def digest(self, name: str) -> str:
        """Hex SHA-256 of what decides a shard's content."""
        return hashlib.sha256(self.settings + self._line(name).removesuffix(b"\n")).hexdigest()

    def rejected_and_noted(self) -> Iterator[tuple[Rejection, ...]]:
        """The rows rejected before any was cut, then those used in spite of a fault."""
        with open(self._path, "rb") as opened:
            opened.readline()
            _, *stored = _decoded(opened.readline(), _HEAD)
        return (tuple(Rejection(*row) for row in rows) for rows in stored)

    def _line(self, name: str) -> bytes:
        place, length = self._places[name]
        with open(self._path, "rb") as opened:
            opened.seek(place)
            line = opened.read(length)
        if not line.startswith(b'["'):
            raise UserError(f"{self._path} changed while it was read: run the same command again")
        return line


def _shard(line: bytes) -> ShardPlan:
    name, cuts = _decoded(line, _STORED_SHARD)
    videos = (PlannedCut(Video(addresses.local_path(path), *video), windows) for path, *video, windows in cuts)
    return ShardPlan(name, tuple(videos))


def _shown(video: Video) -> Video:
    """A video of a store by its address: another machine may go on with the plan."""
    address = addresses.address_of(video.path)
    return video if address is None else dataclasses.replace(video, path=address)


def _decoded(line: bytes, kind: Any) -> Any:
    # Not msgspec's own reader: the end of a video that is used whole is written as Infinity, which JSON has not.
    return msgspec.convert(json.loads(line), kind)
