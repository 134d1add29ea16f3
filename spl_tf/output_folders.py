"""Which folder a command may write to: none that another command's results lie in."""

import json
import os
import pathlib
from collections.abc import Set

from spl_tf import files
from spl_tf.errors import UserError

SHARDS, PREDICTIONS, LABELS, NETWORK = "shards", "predictions", "labels", "a trained network"

# What marks a folder, with names in the file that those of other programs don't have.
_MARKS: dict[str, tuple[str, Set[str]]] = {
    SHARDS: ("dataset.json", {"format_version", "clips_per_class"}),
    PREDICTIONS: ("predictions.json", {"format_version", "classes"}),
    LABELS: ("summary.json", {"strategy", "class_names"}),
    NETWORK: ("model.json", {"format_version", "clip_input"}),
}


def require_own_folder(flag: str, folder: files.Path | None, own: str = "") -> None:
    """Refuses an output folder that is one of these, or lies inside of shards, predictions or labels.

    Inside a network's folder is where its evaluations lie.

    Args:
      flag: that gave the folder, for the message.
      folder: need not be there; None where none was given.
      own: what the command itself makes there.

    Raises:
      UserError: the folder is of another command.
    """
    if not folder:
        return
    place = pathlib.Path(os.path.realpath(folder))
    for around in (place, *place.parents):
        for kind in _MARKS:
            if around == place and kind != own and _holds(place, kind):
                raise UserError(f"--{flag}={folder} is a folder of {kind}: choose another one")
            if around != place and kind != NETWORK and _holds(around, kind):
                raise UserError(
                    f"--{flag}={folder} lies inside {around}, a folder of {kind}: choose one outside of it, for others "
                    "go by all that lies there"
                )


def _holds(folder: pathlib.Path, kind: str) -> bool:
    name, keys = _MARKS[kind]
    path = folder / name
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):  # A damaged or private one is no reason to refuse another folder.
        return False
    return isinstance(content, dict) and keys <= content.keys()
