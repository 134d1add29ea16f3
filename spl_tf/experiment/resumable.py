"""One step of a recipe: done once, skipped while its inputs and configuration stay the same, never deleted."""

import contextlib
import contextvars
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypedDict, TypeVar

import msgspec

from spl_tf import checksums, files
from spl_tf.errors import UserError
from spl_tf.remote import mirror
from spl_tf.stored import Count, Seconds
from spl_tf.training.identity import first_difference

Json = dict[str, Any]

R = TypeVar("R", bound=Mapping[str, Any])

MARKER = "step.json"
# The action finds the folder as it is: training and predictions that are finished are taken as they are.
REMEDY = "delete this file alone and run the recipe again, which keeps what is trained and predicted"
# What a step leaves that was stopped before it did anything.
_OF_NO_WORTH = {MARKER, ".lock"}

# What the recipe binds itself: a matrix that a step makes.
_NOT_CONFIGURED = ".transition"

_REPLACES_CHANGED = contextvars.ContextVar("replaces_changed", default=False)


class Clips(TypedDict):
    """What most steps say of themselves."""

    clips: Count
    seconds: Seconds


class _Marker(msgspec.Struct, Generic[R]):
    """`step.json`: what a step was made from, and what it returned; None while it is not finished."""

    identity: dict[str, str]
    result: R | None
    seconds: Seconds


@contextlib.contextmanager
def replacing_changed(agreed: bool) -> Iterator[None]:
    """Whether steps are done anew whose configuration or inputs changed; else `run_step` asks, or refuses."""
    token = _REPLACES_CHANGED.set(agreed)
    try:
        yield
    finally:
        _REPLACES_CHANGED.reset(token)


def run_step(
    folder: pathlib.Path,
    identity: Mapping[str, str],
    action: Callable[[], Mapping[str, Any]],
    outputs: Sequence[str],
    kind: type[R],
) -> R:
    """Runs `action`, unless its outputs stand and were made from the same things.

    A folder made from other things is set aside under another name, where that is wanted; one that was interrupted, or
    that lost an output, is left to `action`, which goes on where it was.

    Args:
      folder: where `action` writes.
      identity: configuration and inputs as flat text.
      action: makes the outputs and returns what the table needs of them.
      outputs: names of files in `folder` without which the step counts as undone.
      kind: a TypedDict or dict, what this function returns.

    Returns:
      What `action` returned, with "seconds" over all sessions unless it knows better.

    Raises:
      UserError: the folder was made from other things, see `replacing_changed`, or its marker is damaged.
    """
    marker = folder / MARKER
    identity = dict(identity)
    spent = 0.0
    if marker.exists():
        known = checksums.read_sealed(marker, _Marker[kind], REMEDY)  # type: ignore[valid-type]
        missing = [name for name in outputs if not (folder / name).exists()]
        if difference := first_difference(known.identity, identity):
            if known.result is not None or {path.name for path in folder.iterdir()} - _OF_NO_WORTH:
                _set_aside(folder, difference)
        elif known.result is not None and not missing:
            return known.result
        else:
            spent = known.seconds
            if known.result is not None:
                print(f"{folder}: {missing[0]} is missing; made again from what is there", flush=True)
    _write_marker(marker, identity, None, spent)
    started = time.monotonic()
    try:
        result = action()
    finally:
        spent += time.monotonic() - started
        _write_marker(marker, identity, None, spent)
    # What killed sessions were writing. Not before the action: only its end shows that no other run writes here.
    for half_written in folder.rglob(files.TEMPORARY):
        half_written.unlink(missing_ok=True)
    result = {"seconds": round(spent, 1), **result}
    _write_marker(marker, identity, result, spent)
    return msgspec.convert(result, kind)


def require_unchanged(folder: pathlib.Path, settings: Mapping[str, str]) -> None:
    """Finds before hours of work, not after them, that a step will not be skipped, for its configuration changed.

    Args:
      folder: of the step, which may be undone as yet.
      settings: all of its configuration; inputs are not compared, for they may be made first.

    Raises:
      UserError: as `run_step`.
    """
    marker = folder / MARKER
    if not marker.exists():
        return
    known, now = (
        {name: value for name, value in each.items() if "." in name and not name.endswith(_NOT_CONFIGURED)}
        for each in (checksums.read_sealed(marker, _Marker[dict[str, Any]], REMEDY).identity, settings)
    )
    if difference := first_difference(known, now):
        _require_agreed(folder, difference)


def _write_marker(
    marker: pathlib.Path, identity: dict[str, str], result: Mapping[str, Any] | None, seconds: float
) -> None:
    files.write_json(marker, checksums.sealed({"identity": identity, "result": result, "seconds": seconds}))


def _set_aside(folder: pathlib.Path, difference: str) -> None:
    """Gives a folder another name, in one move, where that is wanted."""
    aside = _require_agreed(folder, difference)
    mirror.fetch_folder(folder)
    folder.rename(aside)
    mirror.push(aside)
    mirror.push(folder)
    print(f"{folder}: {difference}; done anew, what was there is set aside as {aside.name}", flush=True)


def _require_agreed(folder: pathlib.Path, difference: str) -> pathlib.Path:
    """Where a folder may be set aside; a UserError where nobody wants it."""
    aside = files.unused_name(folder)
    if not (_REPLACES_CHANGED.get() or _agreed(f"{folder}: {difference}. Set it aside as {aside.name}, do it anew?")):
        raise UserError(
            f"{folder} was made from something else: {difference}; --replace_changed sets it aside as {aside.name} and "
            "does it anew, with all that builds on it; or undo the change, or choose another --output_dir"
        )
    return aside


def _agreed(question: str) -> bool:
    """Whether someone at the terminal says so; nobody there does not."""
    if not sys.stdin.isatty():
        return False
    print(question, "With all that builds on it [y/N]", end=" ", flush=True)
    if agreed := sys.stdin.readline().strip().lower() in ("y", "yes"):
        _REPLACES_CHANGED.set(True)  # What builds on it changes with it: one question for all.
    return agreed
