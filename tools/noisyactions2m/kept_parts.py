"""A folder beside a command's output for what it has done so far, from which it goes on after it was stopped."""

import contextlib
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Sequence

from spl_tf import files, stored
from spl_tf.errors import UserError

_PLAN = "plan.json"


def identity(*made_of: object) -> str:
    """A number that changes with anything that JSON can hold."""
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


@contextlib.contextmanager
def kept(folder: pathlib.Path, what: str, made_of: str, ours: Sequence[str]) -> Iterator[None]:
    """Holds the folder; one made of the same things is left as it is, any other emptied. Deleted at the end.

    Args:
      folder: made where it is missing.
      what: is made, for the message to whoever makes it too.
      made_of: see `identity`.
      ours: patterns of the files in it.

    Raises:
      UserError: another process has it, or it holds what is not ours.
    """
    with files.locked(folder, what):
        allowed = (".lock", _PLAN, files.TEMPORARY, *ours)
        strange = [path for path in folder.iterdir() if not any(map(path.match, allowed))]
        if strange:
            raise UserError(f"{folder} is for parts and holds {strange[0].name}, which is not ours: move it elsewhere")
        plan = folder / _PLAN
        content = {"identity": made_of}
        if not plan.exists() or stored.read_json(plan, dict[str, str], f"delete {folder}") != content:
            for path in folder.iterdir():
                if path.name != ".lock":
                    path.unlink()
            files.write_json(plan, content)
        yield
        shutil.rmtree(folder)
