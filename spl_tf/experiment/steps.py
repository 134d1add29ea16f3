"""One step of a recipe: done once, skipped while its inputs and configuration stay the same."""

import pathlib
import shutil
import time
from collections.abc import Callable, Mapping

from spl_tf import files
from spl_tf.training.inputs import first_difference

Json = dict[str, object]

_MARKER = "step.json"


def run_step(folder: pathlib.Path, identity: Mapping[str, str], action: Callable[[], Json]) -> Json:
    """Runs `action`, unless its outputs stand and were made from the same things.

    A folder made from other things is removed first; one that was interrupted is
    left to `action`, which goes on where it was.

    Args:
      folder: where `action` writes.
      identity: configuration and inputs as flat text.
      action: makes the outputs and returns what the table needs of them.

    Returns:
      What `action` returned, with "seconds" over all sessions.
    """
    marker = folder / _MARKER
    identity = dict(identity)
    spent = 0.0
    if marker.exists():
        known = files.read_json(marker, f"delete {folder} and run the recipe again")
        if difference := first_difference(known["identity"], identity):
            print(f"{folder}: {difference}; done anew", flush=True)
            shutil.rmtree(folder)
        elif known["result"] is not None:
            return known["result"]
        else:
            spent = known["seconds"]
    files.write_json(marker, {"identity": identity, "result": None, "seconds": spent})
    started = time.monotonic()
    try:
        result = action()
    finally:
        spent += time.monotonic() - started
        files.write_json(marker, {"identity": identity, "result": None, "seconds": spent})
    result = {**result, "seconds": round(spent, 1)}
    files.write_json(marker, {"identity": identity, "result": result, "seconds": spent})
    return result
