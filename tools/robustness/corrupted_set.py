"""A folder of corrupted videos and what is known of each, so that a killed run goes on."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tqdm

from spl_tf import checksums, files
from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.errors import UserError
from spl_tf.stored import Count
from tools.robustness.corruption import Corruption, Job, corrupt_file
from tools.robustness.decodable import Decoded, decode

VIDEOS = "videos"
NOTES = "corruption.json"
_SECONDS_BETWEEN_SAVES = 30.0

Setting = str | int | float | None


@dataclasses.dataclass(frozen=True)
class Corrupted:
    """A corrupted video.

    Attributes:
      sha256: of the file, empty where there is none.
      num_bytes: of it.
      num_flipped: bits of it that are flipped.
      frames: that can be decoded.
      fault: why there are none, else empty.
    """

    sha256: str
    num_bytes: Count
    num_flipped: Count
    frames: Count
    fault: str


@dataclasses.dataclass
class Notes:
    """What the folder is made with, and by name the videos that are decoded."""

    settings: dict[str, Setting]
    videos: dict[str, Corrupted]


@dataclasses.dataclass(frozen=True)
class Workers:
    """Processes, and after how many seconds they give a video up."""

    number: int
    seconds_per_video: float

    def run(self, what: str, function: Callable[[Any], Any], jobs: Sequence[Any]) -> tqdm.tqdm:
        """The results in order, with progress; of a job that kills its process or does not end, a `Failure`."""
        results = run_in_workers(function, jobs, num_workers=self.number, seconds_per_job=self.seconds_per_video)
        return tqdm.tqdm(results, desc=what, total=len(jobs), unit="video", disable=not jobs)

    def decode(self, what: str, paths: Sequence[str]) -> tqdm.tqdm:
        """What each video gives, as `run`."""
        return self.run(what, decode, paths)


def read_notes(path: files.Path) -> Notes:
    """Reads the notes of a folder.

    Raises:
      UserError: they are damaged.
    """
    return checksums.read_sealed(path, Notes, "delete it alone, then all videos are decoded again")


def corrupt_videos(
    folder: pathlib.Path,
    sources: Mapping[str, str],
    corruption: Corruption,
    seed: int,
    settings: Mapping[str, Setting],
    workers: Workers,
) -> dict[str, Corrupted]:
    """Corrupts and decodes the videos that a folder, which this run has locked, does not have yet.

    Files with the right bytes are kept, and are not decoded again. One whose decoder crashed or did not end is: it may
    have more time or memory now.

    Args:
      folder: gets `videos/` and the notes.
      sources: name below `videos/` -> path.
      corruption: of each.
      seed: of the draws, with the name.
      settings: all that decides the files and what is decoded of them.
      workers: that do it.

    Returns:
      The videos by name.

    Raises:
      UserError: the folder was made with other settings, or its notes are damaged.
      OSError: a video cannot be read, or the folder cannot be written to.
    """
    notes = _notes(folder, dict(settings))
    for leftover in (folder / VIDEOS).rglob(files.TEMPORARY):  # Of a killed run.
        leftover.unlink(missing_ok=True)
    jobs = [Job(name, path, str(folder / VIDEOS / name), corruption, seed) for name, path in sources.items()]
    made = dict(zip(sources, workers.run("corrupting", corrupt_file, jobs), strict=True))
    videos, waiting = {}, []
    for name, result in made.items():
        known = notes.videos.get(name)
        if isinstance(result, Failure):
            videos[name] = Corrupted("", 0, 0, 0, fault_of(result))
        elif known and known.sha256 == result.sha256:
            videos[name] = known
        else:
            waiting.append(name)
    saved_at = time.monotonic()
    try:
        decoding = workers.decode("decoding", [str(folder / VIDEOS / name) for name in waiting])
        for name, result in zip(waiting, decoding, strict=True):
            frames = result.frames if isinstance(result, Decoded) else 0
            videos[name] = Corrupted(**dataclasses.asdict(made[name]), frames=frames, fault=fault_of(result))
            if isinstance(result, Decoded):
                notes.videos[name] = videos[name]
            if time.monotonic() - saved_at > _SECONDS_BETWEEN_SAVES:
                _save(folder, notes)
                saved_at = time.monotonic()
    finally:
        _save(folder, notes)
    return {name: videos[name] for name in sources}


def fault_of(result: Decoded | Failure) -> str:
    """Why a video gives no frames; empty where it gives some."""
    return f"{result.kind} {result.detail}".strip() if isinstance(result, Failure) else result.fault


def _notes(folder: pathlib.Path, settings: dict[str, Setting]) -> Notes:
    """Those of an earlier run, else empty ones, which are written before the first video is."""
    path = folder / NOTES
    if not path.exists():
        notes = Notes(settings, {})
        _save(folder, notes)
        return notes
    notes = read_notes(path)
    for name in dict.fromkeys([*settings, *notes.settings]):
        if settings.get(name) != notes.settings.get(name):
            what = f"{name} {notes.settings.get(name)}, not {settings.get(name)}"
            what = "another content of the list" if name == "list_sha256" else what
            raise UserError(f"{folder} holds videos made with {what}: choose another --output_dir, or empty this one")
    return notes


def _save(folder: pathlib.Path, notes: Notes) -> None:
    files.write_json(folder / NOTES, checksums.sealed(dataclasses.asdict(notes)))
