"""Videos of a held-out set, the test set above all, are kept out of the training shards."""

import pathlib
from collections.abc import Sequence

from spl_tf.data.manifest import PATH, VIDEO_ID, Rejection, Video, read_rows
from spl_tf.files import Path


def held_out_ids(manifests: Sequence[Path]) -> dict[str, str]:
    """Ids of held-out videos -> the manifest that holds them: their `video_id`, or their file's name.

    Raises:
      UserError: a manifest can't be read.
    """
    ids = {}
    for manifest in map(pathlib.Path, manifests):
        for row in read_rows(manifest):
            for name in (row.get(VIDEO_ID), pathlib.Path(row.get(PATH) or "").stem):
                if name:
                    ids[name] = manifest.name
    return ids


def reject_held_out(entries: Sequence[Video | Rejection], ids: dict[str, str]) -> list[Video | Rejection]:
    """Replaces every video whose id or file name is held out by a rejection."""

    def checked(entry: Video | Rejection) -> Video | Rejection:
        if isinstance(entry, Rejection):
            return entry
        for name in (entry.video_id, pathlib.Path(entry.path).stem):
            if name in ids:
                label = "|".join(entry.label_texts)
                return Rejection(entry.listed_path, entry.video_id, label, "held out", f"({name} is in {ids[name]})")
        return entry

    return [checked(entry) for entry in entries]
