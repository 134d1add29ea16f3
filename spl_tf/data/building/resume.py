"""What a run leaves on disk so that a killed one goes on: the plan, and a note per finished shard."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Iterator

from spl_tf import files
from spl_tf.data.building.plan import Plan, plan_from_lines
from spl_tf.data.building.settings import Settings, require_same_settings
from spl_tf.data.manifest import Rejection
from spl_tf.errors import UserError
from spl_tf.stored import Count, read_json

_FOLDER = ".progress"
_PLAN = "plan.jsonl"
_REMEDY = f"delete the folder {_FOLDER} to begin anew"


@dataclasses.dataclass
class ShardState:
    """What is known of a finished shard."""

    records: Count
    videos: Count
    num_bytes: Count
    fingerprint: str
    ids_digest: str
    multi_label: bool
    clips_per_class: list[Count]
    rejected: list[Rejection]
    noted: list[Rejection]


def shard_path(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder / f"{name}.tfrecord"


class Progress:
    """The notes of one run in a folder it has locked."""

    def __init__(self, folder: pathlib.Path):
        self._output = folder
        self._folder = folder / _FOLDER

    @property
    def fingerprints(self) -> pathlib.Path:
        """Folder of the videos' fingerprints."""
        return self._folder / "fingerprints"

    def plan(self, settings: Settings) -> Plan | None:
        """The plan of an earlier run, None when there was none; a UserError when its settings were others."""
        path = self._folder / _PLAN
        if not path.exists():
            return None
        with _sound(path), open(path, encoding="utf-8") as lines:
            require_same_settings(settings, json.loads(next(lines, "")), self._output)
            return plan_from_lines(lines)

    def save_plan(self, settings: Settings, plan: Plan) -> None:
        with files.atomic_path(self._folder / _PLAN) as temporary, open(temporary, "w", encoding="utf-8") as opened:
            opened.write(f"{json.dumps(settings.as_json())}\n")
            opened.writelines(f"{line}\n" for line in plan.as_lines())

    def state(self, name: str) -> ShardState | None:
        """The note of a shard, None unless the shard is there in full length."""
        note, shard = self._folder / f"{name}.json", shard_path(self._output, name)
        if not note.exists():
            return None
        state = read_json(note, ShardState, _REMEDY)
        return state if shard.exists() and shard.stat().st_size == state.num_bytes else None

    def save_state(self, name: str, state: ShardState) -> None:
        files.write_json(self._folder / f"{name}.json", dataclasses.asdict(state))

    @contextlib.contextmanager
    def spool_folder(self) -> Iterator[pathlib.Path]:
        """A folder for this run's spool files. First removes what a killed run left half-written."""
        for leftover in [*self._output.glob(files.TEMPORARY), *self._folder.glob(files.TEMPORARY)]:
            leftover.unlink(missing_ok=True)
        for spools in self._folder.glob("spool-*"):
            shutil.rmtree(spools, ignore_errors=True)
        spools = self._folder / f"spool-{os.getpid()}"
        spools.mkdir(parents=True)
        try:
            yield spools
        finally:
            shutil.rmtree(spools, ignore_errors=True)

    def is_left(self) -> bool:
        """Whether there are notes, maybe those of a run that was killed when all else was done."""
        return self._folder.exists()

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def _sound(path: pathlib.Path) -> Iterator[None]:
    """Names a note that is JSON but not what was written."""
    try:
        yield
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error!r}): {_REMEDY}") from error
