"""The folder of a finished stage of training: which of its files later steps read, and whether they are whole.

No TensorFlow, so that what only compares checksums starts fast.
"""

import json
import pathlib
import zipfile
from typing import Any

from spl_tf import checksums, files

# The marker of a finished stage, written last.
FINISHED = "finished.json"
NETWORK = "folded.keras"
BACKBONE = "backbone.weights.h5"

_RESTORE = f"copy it again, or delete {FINISHED} beside it: then the same training writes it from its last checkpoint"
_PLACE = "shared_object_id"
# The earliest that a ZIP archive knows.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def require_whole(path: files.Path) -> str:
    """Hex SHA-256 of one of the files; a UserError where it is missing, or not as the training left it."""
    return checksums.require_whole(path, _RESTORE)


def network_digest(model_dir: files.Path) -> str:
    """Of the network that predicts: equal for equal weights; raises as `require_whole`."""
    return require_whole(pathlib.Path(model_dir) / NETWORK)


def backbone_digest(path: files.Path) -> str:
    """Of weights that a training begins with; raises as `require_whole`.

    A file elsewhere than in a stage's folder has its checksum in itself alone, which is compared as it is loaded.
    """
    path = pathlib.Path(path)
    return require_whole(path) if (path.parent / checksums.SUMS).exists() else files.sha256(path)


def drop_chance(path: files.Path) -> None:
    """Writes a `.keras` file anew without what differs from process to process, so that equal networks are equal files.

    That is the time of writing, and the places in memory by which Keras tells which objects of a network are one.
    """
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(members["metadata.json"])
    metadata.pop("date_saved", None)
    members["metadata.json"] = json.dumps(metadata).encode()
    places: dict[int, int] = {}
    config = json.loads(members["config.json"], object_hook=lambda entry: _numbered(entry, places))
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _NO_DATE), content)


def _numbered(entry: dict[str, Any], places: dict[int, int]) -> dict[str, Any]:
    """The entry of a network's configuration with the number of its object in place of the place in memory."""
    if _PLACE in entry:
        entry[_PLACE] = places.setdefault(entry[_PLACE], len(places) + 1)
    return entry
