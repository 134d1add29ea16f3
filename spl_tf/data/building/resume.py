"""What a run leaves on disk so that a killed one goes on: the plan, and a note per finished shard."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from spl_tf import checksums, files
from spl_tf.data.building.plan import Plan
from spl_tf.data.building.settings import Settings, require_same_settings
from spl_tf.data.building.stored_plan import StoredPlan, write_plan
from spl_tf.data.manifest import Rejection
from spl_tf.errors import UserError
from spl_tf.remote import mirror
from spl_tf.stored import Count, Name

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
    """A note: what is known of a shard, the digest of its plan, and the folder its file is in until it is moved."""

    plan: str
    state: ShardState
    spools: Name | None = None


def shard_path(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder / f"{name}.tfrecord"


class Progress:
    """The notes in a folder that one run has locked, or that several tasks share."""

    def __init__(self, folder: pathlib.Path):
        self._output = folder
        self.folder = folder / _FOLDER

    @property
    def fingerprints(self) -> pathlib.Path:
        """Folder of the videos' fingerprints."""
        return self.folder / "fingerprints"

    @property
    def claims(self) -> pathlib.Path:
        """Folder of the tasks' claims."""
        return self.folder / "claims"

    def plan(self, settings: Settings) -> StoredPlan | None:
        """The plan of an earlier run; None when there was none, or, which is told, it is damaged or another version's.

        Raises:
          UserError: its settings were others.
        """
        path = self.folder / _PLAN
        if not path.exists():
            return None
        if not checksums.ends_with_checksum(path):
            print(f"{path} is damaged: planned anew; shards that are planned the same as before stay", flush=True)
            return None
        self.require_same_settings(settings)
        try:
            return StoredPlan(path)
        except ValueError:  # Whole, but rows had other fields.
            print(f"{path} is of another version of the package: planned anew", flush=True)
            return None

    def require_same_settings(self, settings: Settings) -> None:
        """Raises UserError where a whole plan is there, and is one of other settings."""
        path = self.folder / _PLAN
        if checksums.ends_with_checksum(path):
            with open(path, encoding="utf-8") as lines:
                require_same_settings(settings, json.loads(next(lines)), self._output)

    def has_plan(self) -> bool:
        """Whether there is one, of this run or not."""
        return (self.folder / _PLAN).exists()

    def save_plan(self, settings: Settings, plan: Plan, *, first: bool) -> None:
        """Saves a plan; with `first` only where there is none yet, for tasks must all go by one."""
        write_plan(self.folder / _PLAN, settings.as_json(), plan, first=first)

    def remove_plan(self) -> None:
        (self.folder / _PLAN).unlink(missing_ok=True)

    def state(self, name: str, plan: StoredPlan) -> ShardState | None:
        """The note of a shard, None unless the shard is there in full length and was cut by the same plan.

        A damaged note is told of; its shard is written once more, which costs least.
        """
        note, path = self._note(name), shard_path(self._output, name)
        if not note.exists():
            return None
        try:
            noted = checksums.read_sealed(note, _Noted, _WRITTEN_AGAIN)
        except UserError as error:
            if note.exists():  # Else another task was done with all.
                print(error, flush=True)
            return None
        if noted.plan != plan.digest(name):
            return None
        self._put_in_place(noted, path)
        if noted.state.records == 0:
            return noted.state  # Its file is removed in the end, maybe by a run that was killed then.
        return noted.state if mirror.size(path) == noted.state.num_bytes else None

    def save_state(self, name: str, plan: StoredPlan, state: ShardState, written: pathlib.Path) -> None:
        """Puts a written shard in its place, with its note, unless another task did.

        The note comes first and is what counts: should two tasks write one shard, and a video's time limit pass in one
        of them alone, the note and the file are of the same task. Who finds a note puts its file in its place.

        Args:
          name: of the shard.
          plan: it was cut by.
          state: what is known of it.
          written: the file, in the `spool_folder`.
        """
        noted = _Noted(plan.digest(name), state, written.parent.name)
        text = files.json_text(checksums.sealed(dataclasses.asdict(noted)))
        files.sync(written)
        if not files.put_first(self._note(name), text):
            if self.state(name, plan):
                written.unlink(missing_ok=True)
                return
            files.write_text(self._note(name), text)  # Over that of another plan, or a damaged one.
        self._put_in_place(noted, shard_path(self._output, name))

    def _put_in_place(self, noted: _Noted, path: pathlib.Path) -> None:
        if noted.spools is None:
            return
        with contextlib.suppress(FileNotFoundError):  # It was moved.
            os.replace(self.folder / noted.spools / path.name, path)
            files.sync(self._output)
            mirror.upload(path)

    def _note(self, name: str) -> pathlib.Path:
        return self.folder / f"{name}.json"

    @contextlib.contextmanager
    def spool_folder(self) -> Iterator[pathlib.Path]:
        """A folder for this process's spool files and shards that are not in their place yet."""
        # Two hosts that share the folder may have equal process ids.
        spools = pathlib.Path(tempfile.mkdtemp(prefix=f"spool-{os.uname().nodename}-{os.getpid()}-", dir=self.folder))
        try:
            yield spools
        finally:
            shutil.rmtree(spools, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Removes what killed runs left half-written; for a run that is alone, once it has looked at all states."""
        for leftover in [*self._output.glob(files.TEMPORARY), *self.folder.glob(files.TEMPORARY)]:
            leftover.unlink(missing_ok=True)
        for spools in self.folder.glob("spool-*"):
            shutil.rmtree(spools, ignore_errors=True)

    def is_left(self) -> bool:
        """Whether there are notes, maybe those of a run that was killed when all else was done."""
        return self.folder.exists()

    def clear(self) -> None:
        """Removes the notes, when all is done, and what killed tasks left half-written; several tasks may do so."""
        for leftover in self._output.glob(files.TEMPORARY):
            leftover.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
