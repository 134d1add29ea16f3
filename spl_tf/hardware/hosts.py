"""The hosts that train together, as the training sees them: which one this is, and what all of them say.

They talk by connections of their own, beside TensorFlow's: through these they agree, and a host that ends, in whatever
way, is missed at once. TensorFlow's collective operations have no time limit and no word for why they fail.
"""

import contextlib
import os
import pathlib
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from spl_tf import files
from spl_tf.errors import HostEndedError, UserError
from spl_tf.hardware.cluster import Cluster
from spl_tf.hardware.connections import Connection
from spl_tf.hardware.meeting import LOST_CODE, meet

T = TypeVar("T")

# A host of which nothing was heard for so long is taken for lost: its machine is off, or the network is.
SILENCE_SECONDS = 60.0
# So long this host may go on after another one ended; what it does then fails by itself, or is ended.
GRACE_SECONDS = 5.0

_BEAT_SECONDS = 5.0
# So long NFS clients may go by what a folder held before (acdirmax).
_SEEN_SECONDS = 60.0
_BEAT, _VALUE, _ENDED, _BYE = (bytes([letter]) for letter in b"bveq")

# What a command says of an error and exits with; None: it is a defect, with a traceback.
Explain = Callable[[BaseException], tuple[str, int] | None]


class Hosts:
    """All hosts of a training; a context, whose end says to the others how this host ended.

    Attributes:
      number: of this host, from 0.
      count: of the hosts.
    """

    def __init__(self, cluster: Cluster | None = None, wait_seconds: float = 0.0, explain: Explain = lambda _: None):
        """Meets the other hosts.

        Args:
          cluster: the hosts; None is this one alone.
          wait_seconds: so long the others are waited for.
          explain: says of an error how a command ends by it, for the others to say the same.

        Raises:
          UserError: a host did not come, or they don't reach each other, see `meeting`.
        """
        self.cluster = cluster
        self.number = cluster.number if cluster else 0
        self.count = len(cluster.addresses) if cluster else 1
        self._explain = explain
        self._links: dict[int, Connection] = meet(cluster, wait_seconds) if cluster else {}
        self._said: dict[int, queue.Queue] = {number: queue.Queue() for number in self._links}
        self._news: HostEndedError | None = None
        self._heard, self._closing = threading.Event(), threading.Event()
        self._hearing = threading.Lock()
        for number, link in self._links.items():
            link.allow_silence(SILENCE_SECONDS)
            threading.Thread(target=self._listen, args=(number,), daemon=True, name=f"host {number}").start()
        if self._links:
            threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    @property
    def is_first(self) -> bool:
        """Whether this host writes what a run writes."""
        return self.number == 0

    def name(self, number: int) -> str:
        """A host as messages call it."""
        return self.cluster.name(number) if self.cluster else "this host"

    def gather(self, value: Any) -> list[Any]:
        """What every host says, in their order; all must ask for the same things in the same order.

        Args:
          value: text, bytes, numbers, lists, dicts; not large, as it goes through the first host.

        Raises:
          HostEndedError: a host ended without saying it.
        """
        values = self.collect(value)
        if values is None:
            return self._next(0)
        for number in self._links:
            self._send(number, _VALUE, values)
        return values

    def collect(self, value: Any) -> list[Any] | None:
        """What every host says, in their order, for the first host alone; None on others."""
        if not self.is_first:
            self._send(0, _VALUE, value)
            return None
        return [value, *(self._next(number) for number in sorted(self._links))]

    def first_says(self, ask: Callable[[], T]) -> T:
        """What the function gives on the first host; on others it is not called."""
        if not self._links:
            return ask()
        return self.gather(ask() if self.is_first else None)[0]

    def require_same(self, facts: Mapping[str, str]) -> None:
        """Raises a UserError on every host, of the first fact that another host has otherwise than the first one."""
        own, *others = self.gather(dict(facts))
        for number, theirs in enumerate(others, 1):
            for name in sorted(own.keys() | theirs.keys()):
                here, there = own.get(name, "not set"), theirs.get(name, "not set")
                if here != there:
                    raise UserError(
                        f"{name} is {_short(there)} on {self.name(number)} and {_short(here)} on {self.name(0)}: all "
                        "hosts must train the same"
                    )

    def await_file(self, path: files.Path) -> None:
        """Waits until this host sees a file that the first one has written: a file server may take its time.

        Raises:
          UserError: it does not see it.
        """
        path = pathlib.Path(path)
        deadline = time.monotonic() + _SEEN_SECONDS
        while not path.exists():
            if time.monotonic() > deadline:
                raise UserError(
                    f"{self.name(self.number)} does not see {path}, which {self.name(0)} wrote: give a folder that "
                    "all hosts share, e.g. by NFS, under the same path"
                )
            time.sleep(0.5)
            with contextlib.suppress(OSError):
                os.listdir(path.parent)  # NFS asks its server anew.

    def require_shared(self, folder: files.Path) -> None:
        """Raises a UserError on every host if one of them does not see what the first one writes into a folder."""
        if not self._links:
            return
        path = pathlib.Path(folder) / self.first_says(lambda: f".hosts-{secrets.token_hex(8)}")
        if self.is_first:
            for left in path.parent.glob(".hosts-*"):  # by a killed run
                left.unlink()
            path.touch()
        self.gather(None)
        try:
            if not self.is_first:
                self.await_file(path)
            self.gather(None)
        finally:
            if self.is_first:
                path.unlink()

    def __enter__(self) -> "Hosts":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *details) -> None:
        if error is None:
            self.gather(None)  # Nobody has ended well before all have.
            self._close(_BYE)
            return
        self._closing.set()  # From here on this host says itself why it ends.
        if isinstance(error, HostEndedError):
            self._close(_BYE)
            return
        explained = self._explain(error)
        if explained is None and self._links and self._heard.wait(GRACE_SECONDS):
            # TensorFlow's operations fail in many ways when a host ends.
            assert self._news is not None
            raise self._news from error
        line, code = explained or (f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}", 1)
        self._close(_ENDED, {"line": f"{self.name(self.number)}: {line}", "code": code})

    def _close(self, kind: bytes, value: Any = None) -> None:
        self._closing.set()
        for number in self._links:
            self._send(number, kind, value)

    def _send(self, number: int, kind: bytes, value: Any) -> None:
        with contextlib.suppress(OSError):  # Who is gone is missed by `_listen`.
            self._links[number].send(kind, value)

    def _next(self, number: int) -> Any:
        if (said := self._said[number].get()) is self:
            assert self._news is not None
            raise self._news
        return said[0]

    def _listen(self, number: int) -> None:
        """Takes what a host says until it ends."""
        try:
            while True:
                kind, value = self._links[number].receive()
                if kind == _VALUE:
                    self._said[number].put([value])
                elif kind == _ENDED:
                    self._end_without(number, HostEndedError(value["line"], value["code"]))
                    return
                elif kind == _BYE:
                    return
        except Exception as error:
            silent = isinstance(error, TimeoutError)
            how = f"nothing was heard of it for {SILENCE_SECONDS:g} s" if silent else "it ended"
            self._end_without(
                number,
                HostEndedError(
                    f"{self.name(number)} is lost ({how}): start the same command on all hosts, and it goes on from "
                    "the last checkpoint",
                    LOST_CODE,
                ),
            )

    def _end_without(self, number: int, error: HostEndedError) -> None:
        """Ends this process, as the host of this number has ended: by an exception where that is possible."""
        with self._hearing:
            if self._news is not None:
                return
            self._news = error
        if self.is_first:
            for other in self._links.keys() - {number}:
                self._send(other, _ENDED, {"line": str(error), "code": error.code})
        for said in self._said.values():
            said.put(self)
        self._heard.set()
        if not self._closing.wait(GRACE_SECONDS):  # It waits for the other host inside TensorFlow.
            print(f"\nspl_tf: {error}", file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(error.code)

    def _beat(self) -> None:
        while not self._closing.wait(_BEAT_SECONDS):
            for number in self._links:
                self._send(number, _BEAT, None)


ALONE = Hosts()


def _short(text: str) -> str:
    """Beginning and end, for paths of one folder differ in the end."""
    return text if len(text) <= 80 else f"{text[:30]}...{text[-47:]}"
