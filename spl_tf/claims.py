"""Tasks on any number of hosts share out units of work through a folder that all of them see.

A claim saves work, it guards nothing: that each result is a function of its unit alone, and put in its place by one
rename or link, is what makes the result that of one process, also when a unit is done twice. So a claim may be wrong
now and then, and needs neither locks nor clocks that agree:

  asked.json          what the first task was asked for; a task that was asked for something else is refused
  beats/<task>        rewritten by the task every few seconds, each time with another content
  units/<unit>.<n>    names the task that claimed the unit as the n-th, created by one hard link, never changed

Who sees a task's beat unchanged for the time of a lease, by a clock of its own, takes its unit over by creating n + 1:
of several who do so at once one succeeds. Times of another host, those of files too, are never looked at.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.stored import is_name, read_json

LEASE_SECONDS = 60.0

_ASKED = "asked.json"
_BEATS_PER_LEASE = 6
_ENDED = b"ended".ljust(20)


@dataclasses.dataclass(frozen=True)
class Task:
    """One of several processes that do a command's work together.

    Attributes:
      number: from 1; where in the work it begins.
      count: of the tasks.
      lease_seconds: who is silent for so long is dead to the others.
      version: of the package, which must be that of the others.
    """

    number: int
    count: int
    lease_seconds: float = LEASE_SECONDS
    version: str = ""

    def __str__(self) -> str:
        return f"task {self.number}/{self.count}"


def task_of(text: str, lease_seconds: float = LEASE_SECONDS) -> Task:
    """The task of a flag --task=i/n; raises UserError for another text, or a lease of less than a second."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise UserError(f"--task={text}: give i/n, i from 1 to n, e.g. --task=3/64")
    if not 1 <= lease_seconds <= 86_400:
        raise UserError(f"--lease_seconds={lease_seconds:g}: give 1 to 86400 seconds")
    return Task(number, count, lease_seconds)


@dataclasses.dataclass
class _Sight:
    """A file as it was last seen, and for how long it has been so; seconds of this process's clock."""

    content: bytes | None
    looked_at: float
    unchanged: float = 0.0


class Claims:
    """One task's part in a folder of claims.

    Args:
      folder: created when missing.
      task: which of the tasks this is.
      clock: seconds that never go back; of this process alone.
      sleep: waits for so many seconds.
    """

    def __init__(
        self,
        folder: files.Path,
        task: Task,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._folder, self._task = pathlib.Path(folder), task
        self._clock, self._sleep = clock, sleep
        self._units, self._beats = self._folder / "units", self._folder / "beats"
        # No two processes have one name: a scheduler may start a task again while the first one still runs.
        self._name = f"{task.number}-of-{task.count}.{os.uname().nodename}.{os.getpid()}.{secrets.token_hex(4)}"
        self._count = 0
        self._numbers: dict[str, int] = {}  # Of the latest claim of a unit that was seen.
        self._sights: dict[pathlib.Path, _Sight] = {}
        for folder in (self._units, self._beats):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def beat_seconds(self) -> float:
        return self._task.lease_seconds / _BEATS_PER_LEASE

    def require_same(self, asked: Mapping[str, Any]) -> None:
        """Leaves a note of what this task was asked for, or compares it with that of the first task.

        Args:
          asked: name -> what decides the result, as JSON has it.

        Raises:
          UserError: another task was asked for something else; names the first difference.
        """
        asked = {"version": self._task.version, **asked, "lease_seconds": self._task.lease_seconds}
        path = self._folder / _ASKED
        if files.put_first(path, files.json_text(asked)):
            return
        found = read_json(path, dict[str, Any], f"stop all tasks, delete {self._folder} and start them again")
        for name in dict.fromkeys([*asked, *found]):
            ours, theirs = asked.get(name), found.get(name)
            if ours != theirs:
                shown = isinstance(ours, dict | list) or isinstance(theirs, dict | list)
                difference = f"other {name}" if shown else f"{name} {theirs}, this one with {ours}"
                raise UserError(
                    f"{self._task} is refused: the tasks of {self._folder.parent} work with {difference}; start all "
                    "with the same flags, files and versions, or choose another --output_dir, or delete "
                    f"{self._folder} if no task runs any more"
                )

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Shows that this task lives, from a thread, until the end of the `with` block: then that it has ended."""
        ended = threading.Event()

        def beat_on() -> None:
            while not ended.wait(self.beat_seconds):
                self.beat()

        thread = threading.Thread(target=beat_on, daemon=True, name="spl_tf-beat")
        self.beat()
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._show(_ENDED)

    def beat(self) -> None:
        """Shows that this task lives, once."""
        self._count += 1
        self._show(b"%020d" % self._count)

    def _show(self, content: bytes) -> None:
        """In place, always of one length: a full disk has room for it, and a network's caches ask at each opening.

        Where that fails, others do this task's units too, which costs time alone.
        """
        with contextlib.suppress(OSError):
            descriptor = os.open(self._beats / self._name, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(descriptor, content, 0)
            finally:
                os.close(descriptor)

    def rounds(self, units: Sequence[str], is_done: Callable[[str], bool]) -> Iterator[Iterator[str]]:
        """Yields, until all units are done by some task, iterators over those that this one is to do now.

        The caller works through each of them before it takes the next. A task begins at its own part of the units. When
        only those of other tasks are left, it waits for them, or for their silence.

        Raises:
          UserError: the folder is gone, though not all is done.
        """
        first = (self._task.number - 1) * len(units) // self._task.count
        left, waits = [*units[first:], *units[:first]], False
        while True:
            is_gone = not (self._folder / _ASKED).exists()  # Looked at first: it goes when all is done.
            left = [unit for unit in left if not is_done(unit)]
            if not left:
                return
            if is_gone:
                raise UserError(
                    f"{self._task}: {self._folder} was removed while {len(left)} were left: what the other tasks said "
                    "last tells why; then start all again"
                )
            taken: list[str] = []
            yield self._taken(left, is_done, taken)
            if not taken:
                if not waits:
                    print(f"{self._task}: waits for {len(left)} that other tasks work on", flush=True)
                waits = True
                self._sleep(self.beat_seconds)

    def _taken(self, units: Sequence[str], is_done: Callable[[str], bool], taken: list[str]) -> Iterator[str]:
        for unit in units:
            # Again after it was taken: its holder may have ended with its work, and not before it.
            if not is_done(unit) and self.take(unit) and not is_done(unit):
                taken.append(unit)
                yield unit

    def take(self, unit: str) -> bool:
        """Claims a unit that nobody holds, or whose holder is silent; whether it is now this task's."""
        number, whose = self._latest(unit), ""
        if number >= 0:
            holder = self._read(self._claim(unit, number)) or b""
            name = holder.decode("ascii", "replace")
            if name == self._name:
                return True
            # A claim that names nobody, as a broken file server may leave it, is itself what ought to change.
            known = is_name(name)
            if not self._is_silent(self._beats / name if known else self._claim(unit, number)):
                return False
            whose = f"of {name}, which is silent or has ended" if known else "whose claim names nobody"
        if not files.put_first(self._claim(unit, number + 1), self._name):
            return False
        if whose:
            print(f"{self._task}: takes over {unit} {whose}", flush=True)
        return True

    def _claim(self, unit: str, number: int) -> pathlib.Path:
        return self._units / f"{unit}.{number}"

    def _latest(self, unit: str) -> int:
        """Number of the latest claim; -1 for none."""
        number = self._numbers.get(unit, -1)
        while self._claim(unit, number + 1).exists():
            number += 1
        self._numbers[unit] = number
        return number

    def _is_silent(self, path: pathlib.Path) -> bool:
        """Whether a file's content did not change for a lease; a pause of this process counts as one beat of it."""
        content, now = self._read(path), self._clock()
        sight = self._sights.get(path)
        if sight is None or sight.content != content:
            self._sights[path] = _Sight(content, now)
            return content == _ENDED
        sight.unchanged += min(now - sight.looked_at, self.beat_seconds)
        sight.looked_at = now
        return content == _ENDED or sight.unchanged >= self._task.lease_seconds

    @staticmethod
    def _read(path: pathlib.Path) -> bytes | None:
        """The first bytes of a file; None where there is none, which a network may say of one that is new."""
        try:
            with open(path, "rb") as opened:
                return opened.read(1024)
        except FileNotFoundError:
            return None

    def clear(self) -> None:
        """Removes the folder, when all is done; several tasks may do so."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def overtaken(claims: Claims | None, is_finished: Callable[[], bool]) -> Iterator[None]:
    """Takes the errors of a task that was paused while others did its work and removed what it was working with."""
    try:
        yield
    except (OSError, UserError):
        if claims is None or not is_finished():
            raise


def rounds(claims: Claims | None, units: Sequence[str], is_done: Callable[[str], bool]) -> Iterator[Iterator[str]]:
    """`Claims.rounds`; without other tasks one round of all that is not done."""
    if claims is None:
        return iter([(unit for unit in units if not is_done(unit))])
    return claims.rounds(units, is_done)
