"""Which files hold search results, and their division into jobs of a few seconds."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence

import tqdm

from spl_tf.data.file_kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from spl_tf.errors import UserError
from tools.noisyactions2m import result_files
from tools.noisyactions2m.result_files import Piece

_BYTES = 16 << 20
_FILES = 2_048
# A file of another rule's runs must not be taken for one of this.
_FORMAT = 2


@dataclasses.dataclass(frozen=True)
class Job:
    """Pieces that one process reads one after the other.

    Attributes:
      number: in the plan.
      root: the folder they were found in, else empty.
      pieces: of files.
      part: from 1, of a job that is one piece of a planned one; 0 for a planned one.
    """

    number: int
    root: str
    pieces: tuple[Piece, ...]
    part: int = 0

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        return f"read-{self.number:06d}" + (f"-file-{self.part:06d}" if self.part else "")

    def alone(self) -> list["Job"]:
        """A job for each piece."""
        return [Job(self.number, self.root, (piece,), part) for part, piece in enumerate(self.pieces, 1)]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The jobs; files of other kinds; videos and images; and a number that changes with any file or option."""

    jobs: list[Job]
    others: list[str]
    media: list[str]
    identity: str


def plan(sources: Sequence[str], ours: Sequence[str], options: Sequence[object]) -> Plan:
    """Lists the files of folders, in depth, and the named files.

    Args:
      sources: folders and files.
      ours: files and folders the command writes, which are no results.
      options: what else the result depends on.

    Raises:
      UserError: a source does not exist, or there is no file of results.
    """
    jobs: list[Job] = []
    others: list[str] = []
    media: list[str] = []
    digest = hashlib.sha256(json.dumps([_FORMAT, _BYTES, _FILES, *map(str, options)]).encode())
    written = {os.path.basename(path): os.path.realpath(path) for path in ours}
    seen: set[str] = set()
    for source in sources:
        if not os.path.exists(source):
            raise UserError(f"{source} does not exist: check --results")
        root = source if os.path.isdir(source) else ""
        pieces: list[Piece] = []
        size = 0
        for path in tqdm.tqdm(_files(source, written) if root else [source], desc="listing", unit="file"):
            if len(sources) > 1:  # Of millions of files not one more than has to be.
                if (real := os.path.realpath(path)) in seen:
                    continue
                seen.add(real)
            if not path.lower().endswith(result_files.SUFFIXES):
                shows = path.lower().endswith((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES))
                (media if shows else others).append(path)
                continue
            facts = os.stat(path)
            digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
            divided = _divided(path, facts.st_size)
            if pieces and (size + facts.st_size > _BYTES or len(pieces) >= _FILES):
                jobs.append(Job(len(jobs), root, tuple(pieces)))
                pieces, size = [], 0
            if len(divided) > 1:
                jobs += [Job(len(jobs) + place, root, (piece,)) for place, piece in enumerate(divided)]
            else:
                pieces += divided
                size += facts.st_size
        if pieces:
            jobs.append(Job(len(jobs), root, tuple(pieces)))
    if not jobs:
        raise UserError(f"{' '.join(sources)} has no {', '.join(result_files.SUFFIXES)} file: check --results")
    return Plan(jobs, others, media, digest.hexdigest())


def _files(folder: str, written: Mapping[str, str]) -> Iterator[str]:
    """The files below a folder, by name, but for those whose real path is written to (name -> real path)."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_written(place, name, written))
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.isfile(path) and not _is_written(place, name, written):
                yield path


def _is_written(place: str, name: str, written: Mapping[str, str]) -> bool:
    return name in written and os.path.realpath(os.path.join(place, name)) == written[name]


def _divided(path: str, size: int) -> list[Piece]:
    """JSON lines can be begun anywhere; other files cannot."""
    if size <= 2 * _BYTES or not path.lower().endswith(result_files.LINES) or result_files.is_utf_16(path):
        return [Piece(path)]
    starts = range(0, size, _BYTES)
    return [Piece(path, start, min(start + _BYTES, size)) for start in starts]
