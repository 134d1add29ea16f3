"""Videos of a held-out set, the test set above all, are kept out of the training shards.

Where both manifests give a video its `video_id`, the ids decide: two uploads may well be called
`clip.mp4`. Otherwise ids and file names, without folder and suffix, are compared with each other:
`videos/v_Archery_g01_c01.mp4` of a test list without ids holds out the id `v_Archery_g01_c01`
and any `v_Archery_g01_c01.avi`, whatever its folder.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence

from spl_tf.data.manifest import PATH, VIDEO_ID, Rejection, Video, read_rows, text
from spl_tf.errors import UserError
from spl_tf.files import Path


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Names of held-out videos -> the manifest that holds them.

    Attributes:
      ids: the `video_id`s.
      names_beside_ids: file names of the rows that have a `video_id`.
      names: file names of the rows that have none.
    """

    ids: dict[str, str]
    names_beside_ids: dict[str, str]
    names: dict[str, str]


def read_held_out(manifests: Sequence[Path]) -> HeldOut:
    """Reads the names of all held-out videos.

    Raises:
      UserError: a manifest cannot be read, or no row of it has a `video_id` or a `path`.
    """
    held_out = HeldOut({}, {}, {})
    for manifest in map(pathlib.Path, manifests):
        names_a_video = False
        for row in read_rows(manifest, "--exclude"):
            video_id, name = text(row.get(VIDEO_ID)), pathlib.Path(text(row.get(PATH))).stem
            if video_id:
                held_out.ids[video_id] = manifest.name
            if name:
                (held_out.names_beside_ids if video_id else held_out.names)[name] = manifest.name
            names_a_video |= bool(video_id or name)
        if not names_a_video:
            raise UserError(
                f"{manifest} names no video: a manifest for --exclude needs a column {VIDEO_ID!r} or {PATH!r}"
            )
    return held_out


def reject_held_out(entries: Sequence[Video | Rejection], held_out: HeldOut) -> list[Video | Rejection]:
    """Replaces every held-out video by a rejection."""
    return [_checked(entry, held_out) if isinstance(entry, Video) else entry for entry in entries]


def _checked(video: Video, held_out: HeldOut) -> Video | Rejection:
    name = pathlib.Path(video.path).stem
    if video.id_is_given:
        compared = [(video.video_id, held_out.ids), (video.video_id, held_out.names), (name, held_out.names)]
    else:
        compared = list(
            itertools.product((video.video_id, name), (held_out.ids, held_out.names, held_out.names_beside_ids))
        )
    for key, manifest_of in compared:
        if key in manifest_of:
            label = "|".join(video.label_texts)
            return Rejection(video.listed_path, video.video_id, label, "held out", f"({key} is in {manifest_of[key]})")
    return video
