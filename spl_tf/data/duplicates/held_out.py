"""Videos of a held-out set, the test set above all, are kept out of the training shards.

Where both manifests give a video its `video_id`, the ids decide: two uploads may well be called
`clip.mp4`. Otherwise ids and file names, without folder and suffix, are compared with each other:
`videos/v_Archery_g01_c01.mp4` of a test list without ids holds out the id `v_Archery_g01_c01`
and any `v_Archery_g01_c01.avi`, whatever its folder. Where both give an `address`, equal addresses
are the same video too. An upload, which several rows may name by one `video_id`, is held out as a whole.
What else shows the same, as a held-out file or as an upload that is held out, is found by content, see
`spl_tf.data.duplicates.uploads`.
"""

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Sequence

from spl_tf.data.addresses import normalized_address
from spl_tf.data.manifest import ADDRESS, PATH, VIDEO_ID, Rejection, Video, read_interval, read_rows, text
from spl_tf.errors import UserError
from spl_tf.files import Path


@dataclasses.dataclass(frozen=True)
class HeldOutFile:
    """A held-out video whose file is there, beside the held-out manifest or among the uploads.

    Attributes:
      path: the file, resolved against its manifest's folder.
      name: what names the video in the held-out manifest: its path there, or the id, file name or address by
        which an upload was recognised.
      interval: seconds, as in a `Video`.
      manifest: the held-out manifest's name.
    """

    path: str
    name: str
    interval: tuple[float, float]
    manifest: str


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Names of held-out videos -> the manifest that holds them, and their files.

    Attributes:
      ids: the `video_id`s.
      names_beside_ids: file names of the rows that have a `video_id`.
      names: file names of the rows that have none.
      addresses: normalised.
      files: those that are there.
      num_missing_files: rows with a path where no file is.
    """

    ids: dict[str, str]
    names_beside_ids: dict[str, str]
    names: dict[str, str]
    addresses: dict[str, str]
    files: tuple[HeldOutFile, ...]
    num_missing_files: int


def read_held_out(manifests: Sequence[Path]) -> HeldOut:
    """Reads the names of all held-out videos.

    Raises:
      UserError: a manifest cannot be read, or no row of it has a `video_id`, a `path` or an `address`.
    """
    ids: dict[str, str] = {}
    names_beside_ids: dict[str, str] = {}
    names: dict[str, str] = {}
    addresses: dict[str, str] = {}
    files: list[HeldOutFile] = []
    num_missing = 0
    for manifest in map(pathlib.Path, manifests):
        names_a_video = False
        for row in read_rows(manifest, "--exclude"):
            video_id, path, address = text(row.get(VIDEO_ID)), text(row.get(PATH)), text(row.get(ADDRESS))
            if video_id:
                ids[video_id] = manifest.name
            if path:
                (names_beside_ids if video_id else names)[pathlib.Path(path).stem] = manifest.name
                file = manifest.parent / path
                if file.is_file():
                    interval = read_interval(row) or (0.0, math.inf)
                    files.append(HeldOutFile(str(file), path, interval, manifest.name))
                else:
                    num_missing += 1
            if address:
                addresses[normalized_address(address)] = manifest.name
            names_a_video |= bool(video_id or path or address)
        if not names_a_video:
            raise UserError(
                f"{manifest} names no video: a manifest for --exclude needs a column "
                f"{VIDEO_ID!r}, {PATH!r} or {ADDRESS!r}"
            )
    return HeldOut(ids, names_beside_ids, names, addresses, tuple(files), num_missing)


def reject_held_out(
    entries: Sequence[Video | Rejection], held_out: HeldOut
) -> tuple[list[Video | Rejection], list[HeldOutFile]]:
    """Replaces all rows of every held-out upload by rejections.

    Returns:
      The entries, and the files of the rejected uploads: the held-out set may name videos without having their
      files, and then these show what is held out.
    """
    recognised = {
        entry.video_id: found for entry in entries if isinstance(entry, Video) and (found := _found(entry, held_out))
    }
    checked: list[Video | Rejection] = []
    rejected_files: dict[HeldOutFile, None] = {}
    for entry in entries:
        if isinstance(entry, Video) and entry.video_id in recognised:
            name, manifest = recognised[entry.video_id]
            rejected_files[HeldOutFile(entry.path, name, entry.interval, manifest)] = None
            label, detail = "|".join(entry.label_texts), f"({name} is in {manifest})"
            entry = Rejection(entry.listed_path, entry.video_id, label, "held out", detail, name, 0.0)
        checked.append(entry)
    return checked, list(rejected_files)


def _found(video: Video, held_out: HeldOut) -> tuple[str, str] | None:
    """What names the video in a held-out manifest, and the manifest's name; None when nothing does."""
    name = pathlib.Path(video.path).stem
    if video.id_is_given:
        compared = [(video.video_id, held_out.ids), (video.video_id, held_out.names), (name, held_out.names)]
    else:
        compared = list(
            itertools.product((video.video_id, name), (held_out.ids, held_out.names, held_out.names_beside_ids))
        )
    if video.address:
        compared.append((normalized_address(video.address), held_out.addresses))
    for key, manifest_of in compared:
        if key in manifest_of:
            return key, manifest_of[key]
    return None
