"""One step of a recipe: done once, skipped while its inputs and configuration stay the same."""

import pathlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypedDict, TypeVar

import msgspec

from spl_tf import files
from spl_tf.stored import Count, Seconds, read_json
from spl_tf.training.identity import first_difference

Json = dict[str, Any]

R = TypeVar("R", bound=Mapping[str, Any])

MARKER = "step.json"
# The action finds the folder as it is: training and predictions that are finished are taken as they are.
REMEDY = "delete this file alone and run the recipe again, which keeps what is trained and predicted"


class Clips(TypedDict):
    """What most steps say of themselves."""

    clips: Count
    seconds: Seconds


class _Marker(msgspec.Struct, Generic[R]):
    """`step.json`: what a step was made from, and what it returned; None while it is not finished."""

    identity: dict[str, str]
    result: R | None
    seconds: Seconds


def run_step(
    folder: pathlib.Path,
    identity: Mapping[str, str],
    action: Callable[[], Mapping[str, Any]],
    outputs: Sequence[str],
    kind: type[R],
) -> R:
    """Runs `action`, unless its outputs stand and were made from the same things.

    A folder made from other things is removed first; one that was interrupted is
    left to `action`, which goes on where it was.

    Args:
      folder: where `action` writes.
      identity: configuration and inputs as flat text.
      action: makes the outputs and returns what the table needs of them.
      outputs: names of files in `folder` without which the step counts as undone.
      kind: a TypedDict or dict, what this function returns.

    Returns:
      What `action` returned, with "seconds" over all sessions unless it knows better.

    Raises:
      UserError: what a finished step has noted of itself is damaged.
    """
    marker = folder / MARKER
    identity = dict(identity)
    spent = 0.0
    if marker.exists():
        known = read_json(marker, _Marker[kind], REMEDY)  # type: ignore[valid-type]
        missing = [name for name in outputs if not (folder / name).exists()]
        if difference := first_difference(known.identity, identity):
            _remove(folder, difference)
        elif known.result is None:
            spent = known.seconds
        elif missing:
            _remove(folder, f"{missing[0]} is missing")
        else:
            return known.result
    files.write_json(marker, {"identity": identity, "result": None, "seconds": spent})
    started = time.monotonic()
    try:
        result = action()
    finally:
        spent += time.monotonic() - started
        files.write_json(marker, {"identity": identity, "result": None, "seconds": spent})
    # What killed sessions were writing. Not before the action: only its end shows that no other run writes here.
    for half_written in folder.rglob(files.TEMPORARY):
        half_written.unlink(missing_ok=True)
    result = {"seconds": round(spent, 1), **result}
    files.write_json(marker, {"identity": identity, "result": result, "seconds": spent})
    return msgspec.convert(result, kind)


def _remove(folder: pathlib.Path, reason: str) -> None:
    """Removes a folder in one move: a half-removed one could pass for an interrupted step."""
    print(f"{folder}: {reason}; done anew", flush=True)
    removed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    folder.rename(removed)
    shutil.rmtree(removed)
