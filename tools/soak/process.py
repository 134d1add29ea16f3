"""A recipe as a process that is started, killed and watched for what it leaves running. Linux: reads /proc."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Sequence

_SECONDS_TO_END = 120.0
_SECONDS_FOR_WORKERS = 5.0
_POLL_SECONDS = 0.05


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a process took a signal.

    Attributes:
      exit_code: as of `subprocess`: -9 for SIGKILL. None when it had to be killed after two minutes.
      seconds: from the signal to the end.
      survivors: names of processes it left alive.
    """

    exit_code: int | None
    seconds: float
    survivors: tuple[str, ...]


class RecipeProcess:
    """The process in a group of its own; leaving the `with` block kills whatever lives of the group."""

    def __init__(self, command: Sequence[str], log: pathlib.Path):
        self._command = command
        self._log = log

    def __enter__(self) -> "RecipeProcess":
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as log:
            # Its own session: Ctrl-C is for the soak, which then kills the recipe.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def __exit__(self, *exception) -> None:
        self._kill_group()
        self._process.wait()

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self, signal_number: signal.Signals) -> Ending:
        """Sends a signal to the recipe alone, not to its workers, and waits for the end of all of them."""
        started = time.monotonic()
        self._process.send_signal(signal_number)
        try:
            exit_code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            exit_code = None
            self._process.kill()
            self._process.wait()
        seconds = time.monotonic() - started
        return Ending(exit_code, seconds, self.survivors())

    def survivors(self) -> tuple[str, ...]:
        """Names of what lives of the group a few seconds after the recipe's end; it is killed then."""
        deadline = time.monotonic() + _SECONDS_FOR_WORKERS
        while (members := _live_members(self._process.pid)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._kill_group()
        return tuple(members.values())

    def _kill_group(self) -> None:
        for member in _live_members(self._process.pid):
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _live_members(group: int) -> dict[int, str]:
    """Process id -> name of the processes of a group, without those that only wait to be reaped."""
    members = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # "id (name) state parent group ...", and a name may hold anything.
            before, _, after = stat.read_text(errors="replace").rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, member_of = after.split()[:3]
        if int(member_of) == group and state not in "ZX":
            members[int(stat.parent.name)] = before.partition("(")[2]
    return members
