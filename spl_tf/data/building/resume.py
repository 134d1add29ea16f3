"""What a run leaves on disk so that a killed one goes on: the plan, and a note per finished shard."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Iterator

from spl_tf import checksums, files
from spl_tf.data.building.plan import Plan, ShardPlan, plan_from_lines
from spl_tf.data.building.settings import Settings, require_same_settings
from spl_tf.data.manifest import Rejection
from spl_tf.errors import UserError
from spl_tf.stored import Count

_FOLDER = ".progress"
_PLAN = "plan.jsonl"
_WRITTEN_AGAIN = "its shard is written again"


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


@dataclasses.dataclass
class _Noted:
    """A note: what is known of a shard, and the digest of the plan it was cut by."""

    plan: str
    state: ShardState


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
        """The plan of an earlier run; None when there was none, or, which is told, it is damaged or another version's.

        Raises:
          UserError: its settings were others.
        """
        path = self._folder / _PLAN
        if not path.exists():
            return None
        if not checksums.ends_with_checksum(path):
            print(f"{path} is damaged: planned anew; shards that are planned the same as before stay", flush=True)
            return None
        with open(path, encoding="utf-8") as lines:
            require_same_settings(settings, json.loads(next(lines)), self._output)
            try:
                return plan_from_lines(itertools.takewhile(lambda line: line[0] == "[", lines))
            except ValueError:  # Whole, but rows had other fields.
                print(f"{path} is of another version of the package: planned anew", flush=True)
                return None

    def save_plan(self, settings: Settings, plan: Plan) -> None:
        with files.atomic_path(self._folder / _PLAN) as temporary, open(temporary, "w", encoding="utf-8") as opened:
            opened.write(f"{json.dumps(settings.as_json())}\n")
            opened.writelines(f"{line}\n" for line in plan.as_lines())
            opened.flush()
            checksums.append_checksum(temporary)

    def state(self, shard: ShardPlan, settings: Settings) -> ShardState | None:
        """The note of a shard, None unless the shard is there in full length and was cut by the same plan.

        A damaged note is told of; its shard is written once more, which costs least.
        """
        note, path = self._folder / f"{shard.name}.json", shard_path(self._output, shard.name)
        if not note.exists():
            return None
        try:
            noted = checksums.read_sealed(note, _Noted, _WRITTEN_AGAIN)
        except UserError as error:
            print(error, flush=True)
            return None
        if noted.plan != _digest(shard, settings):
            return None
        return noted.state if path.exists() and path.stat().st_size == noted.state.num_bytes else None

    def save_state(self, shard: ShardPlan, settings: Settings, state: ShardState) -> None:
        content = dataclasses.asdict(_Noted(_digest(shard, settings), state))
        files.write_json(self._folder / f"{shard.name}.json", checksums.sealed(content))

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


def _digest(shard: ShardPlan, settings: Settings) -> str:
    """Of what decides a shard's content."""
    return hashlib.sha256(f"{json.dumps(settings.as_json())}\n{shard.as_line()}".encode()).hexdigest()
