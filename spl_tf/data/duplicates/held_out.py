"""Videos of a held-out set, the test set above all, are kept out of the training shards.

What the lists say decides: an equal `video_id` or `address` is the same video, and so is the same file. Two uploads
may well be called `24.mp4`, so names decide nothing where contents can be compared, see
`spl_tf.data.duplicates.uploads`. Names stand in for a held-out file that is not there, and for all of them where
contents are not compared: unless both lists give ids, a path that ends in the other (`v7.mp4` and `train/v7.avi`, but
not `test/v7.mp4` and `train/v7.mp4`), and an id that is the other's file name without folder and suffix. What is
dropped so is rejected by a kind of its own, "held out by name". An upload, which several rows may name by one
`video_id`, is held out as a whole.
"""

import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence

from spl_tf.data.addresses import normalized_address
from spl_tf.data.lists.csv_tables import PATH, text
from spl_tf.data.lists.numbers import is_usable_fps, read_frames_fps, read_interval
from spl_tf.data.lists.rows import ADDRESS, VIDEO_ID, read_rows
from spl_tf.data.manifest import Rejection, Video
from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.remote import mirror


@dataclasses.dataclass(frozen=True)
class HeldOutFile:
    """A held-out video whose file is there, beside the held-out manifest or among the uploads.

    Attributes:
      path: the file or folder of frames, resolved against its manifest's folder.
      name: what names the video in the held-out manifest: its path there, or the id, file name or address by
        which an upload was recognised.
      interval: seconds, as in a `Video`.
      manifest: the held-out manifest's name.
      frames_fps: frames per second of a folder of frames; None for a file.
    """

    path: str
    name: str
    interval: tuple[float, float]
    manifest: str
    frames_fps: float | None = None


@dataclasses.dataclass(frozen=True)
class _Named:
    """A held-out row that is known by name: its path's parts without suffix, and whether it has an id."""

    parts: tuple[str, ...]
    has_id: bool
    name: str
    manifest: str


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Names of held-out videos -> the manifest that holds them, and their files.

    Attributes:
      ids: the `video_id`s.
      addresses: normalised.
      files: those that are there.
      num_missing_files: rows with a path where no file is.
      places: real path of each file -> the file.
      by_name: last part of the name -> the rows that are known by name.
    """

    ids: dict[str, str]
    addresses: dict[str, str]
    files: tuple[HeldOutFile, ...]
    num_missing_files: int
    places: dict[str, HeldOutFile]
    by_name: dict[str, list[_Named]]


@dataclasses.dataclass(frozen=True)
class _Match:
    """Why a video is held out: kind and detail of its rejection, what names it, and in which manifest."""

    kind: str
    detail: str
    name: str
    manifest: str


def read_held_out(
    manifests: Sequence[Path], *, compares_contents: bool = True, frames_fps: float | None = None
) -> HeldOut:
    """Reads the names of all held-out videos.

    Args:
      manifests: of held-out videos.
      compares_contents: what shows the same as a held-out file will be found by that: names are read only of rows
        that have no file.
      frames_fps: frames per second of folders of frames, where a row has no `fps`; None takes no folder without.

    Raises:
      UserError: a manifest cannot be read, or no row of it has a `video_id`, a `path` or an `address`.
    """
    held_out = HeldOut({}, {}, (), 0, {}, {})
    files: list[HeldOutFile] = []
    num_missing = 0
    for manifest in map(pathlib.Path, manifests):
        folder = manifest if manifest.is_dir() else manifest.parent
        names_a_video = False
        for row in read_rows(manifest, "--exclude", with_frame_folders=frames_fps is not None):
            video_id, path, address = text(row.get(VIDEO_ID)), text(row.get(PATH)), text(row.get(ADDRESS))
            if video_id:
                held_out.ids[video_id] = manifest.name
            if address:
                held_out.addresses[normalized_address(address)] = manifest.name
            mirror.refresh(folder / path)
            fps = read_frames_fps(row, frames_fps) if path and (folder / path).is_dir() else None
            is_there = bool(path) and ((folder / path).is_file() or (fps is not None and is_usable_fps(fps)))
            if is_there:
                interval = read_interval(row) or (0.0, math.inf)
                files.append(HeldOutFile(str(folder / path), path, interval, manifest.name, fps))
                held_out.places.setdefault(os.path.realpath(files[-1].path), files[-1])
            num_missing += bool(path) and not is_there
            if not (is_there and compares_contents):
                for parts, name in ((_parts(path), path), ((video_id,), video_id)):
                    if name:
                        named = _Named(parts, bool(video_id), name, manifest.name)
                        held_out.by_name.setdefault(parts[-1], []).append(named)
            names_a_video |= bool(video_id or path or address)
        if not names_a_video:
            raise UserError(
                f"{manifest} names no video: a manifest for --exclude needs a column "
                f"{VIDEO_ID!r}, {PATH!r} or {ADDRESS!r}"
            )
    return dataclasses.replace(held_out, files=tuple(files), num_missing_files=num_missing)


def reject_held_out(
    entries: Sequence[Video | Rejection], held_out: HeldOut
) -> tuple[list[Video | Rejection], list[HeldOutFile]]:
    """Replaces all rows of every held-out upload by rejections.

    Returns:
      The entries, and the files of the rejected uploads: the held-out set may name videos without having their
      files, and then these show what is held out.
    """
    recognised: dict[str, _Match] = {}
    for entry in entries:
        if isinstance(entry, Video) and (match := _found(entry, held_out)):
            recognised.setdefault(entry.upload_id, match)
    checked: list[Video | Rejection] = []
    rejected_files: dict[HeldOutFile, None] = {}
    for entry in entries:
        if isinstance(entry, Video) and entry.upload_id in recognised:
            match = recognised[entry.upload_id]
            held = HeldOutFile(entry.path, match.name, entry.interval, match.manifest, entry.frames_fps)
            rejected_files[held] = None
            label, distance = "|".join(entry.label_texts), None if match.kind == _BY_NAME else 0.0
            entry = Rejection(entry.listed_path, entry.video_id, label, match.kind, match.detail, match.name, distance)
        checked.append(entry)
    return checked, list(rejected_files)


_HELD_OUT, _BY_NAME = "held out", "held out by name"


def _found(video: Video, held_out: HeldOut) -> _Match | None:
    """What holds the video out; None when nothing does."""
    if video.id_is_given:
        for video_id in (video.upload_id, video.video_id):
            if video_id in held_out.ids:
                return _match(video_id, held_out.ids[video_id])
    address = normalized_address(video.address)
    if address in held_out.addresses:
        return _match(address, held_out.addresses[address])
    if held_out.places and (file := held_out.places.get(os.path.realpath(video.path))):
        return _Match(_HELD_OUT, f"(same file as {file.name} of {file.manifest})", file.name, file.manifest)
    path = _parts(video.listed_path)
    for parts in (path, (video.upload_id,)) if video.id_is_given else (path,):
        for named in held_out.by_name.get(parts[-1], ()):
            shared = min(len(parts), len(named.parts))
            if not (video.id_is_given and named.has_id) and parts[-shared:] == named.parts[-shared:]:
                detail = f"({named.name} is in {named.manifest}; contents were not compared)"
                return _Match(_BY_NAME, detail, named.name, named.manifest)
    return None


def _match(name: str, manifest: str) -> _Match:
    return _Match(_HELD_OUT, f"({name} is in {manifest})", name, manifest)


def _parts(path: str) -> tuple[str, ...]:
    """The folders of a path and its name without suffix; `a/../b.mp4` is `b`."""
    return pathlib.PurePath(os.path.splitext(os.path.normpath(path))[0]).parts
