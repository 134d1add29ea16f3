"""A step that another folder holds finished: copied, not done again."""

import pathlib
import shutil
from collections.abc import Iterable, Mapping, Sequence, Set

import msgspec

from spl_tf import checksums, files
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import MARKER, REMEDY, Json
from spl_tf.inference.stage_folder import FINISHED
from spl_tf.remote import mirror

# The name alone of a stage trains nothing; what gin says to it is in the identity by itself.
_NAME = "stage"


class _Finished(msgspec.Struct):
    """`step.json` of a step that is finished."""

    identity: dict[str, str]
    result: Json


def take_over(
    folder: pathlib.Path,
    identity: Mapping[str, str],
    others: Iterable[pathlib.Path],
    outputs: Sequence[str],
    without: str,
) -> Json | None:
    """Copies the files of a finished step that was made from the same things.

    Args:
      folder: gets the files.
      identity: of the step, see `run_step`.
      others: folders of steps of the same kind, which may be missing.
      outputs: names of files without which a step counts as undone.
      without: name of a folder that is left out.

    Returns:
      What that step returned; None where there is none, and nothing is copied.
    """
    wanted = _without_name(identity)
    for other in others:
        if other == folder or any(not (other / name).is_file() for name in outputs):
            continue
        known = _read(other / MARKER)
        if known is not None and _without_name(known.identity) == wanted:
            print(f"{folder}: the same as {other}, which is copied", flush=True)
            _copy(other, folder, {MARKER, without})
            return known.result
    return None


def _without_name(identity: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in identity.items() if key != _NAME}


def _read(marker: pathlib.Path) -> _Finished | None:
    """Of a finished step; a damaged one says nothing here, and is refused where it belongs."""
    try:
        return checksums.read_sealed(marker, _Finished, REMEDY)
    except UserError:
        return None


def _copy(source: pathlib.Path, folder: pathlib.Path, without: Set[str]) -> None:
    """Every file, the mark of a finished stage last."""
    mirror.fetch_folder(source)
    found = [path for path in source.rglob("*") if path.is_file() and not path.match(files.TEMPORARY)]
    for path in sorted(found, key=lambda path: (path.name == FINISHED, path)):
        name = path.relative_to(source)
        if name.parts[0] not in without:
            with files.atomic_path(folder / name) as temporary:
                shutil.copyfile(path, temporary)
