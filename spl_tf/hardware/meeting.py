"""How the hosts of a training find each other, before TensorFlow waits for one that never comes.

Every host listens at its own port of the cluster, which shows that the port is free. All others come to the first one,
by connections that stay open; then every host looks whether it reaches every other one, as TensorFlow will have to.
What went wrong anywhere is told to all. Then nobody listens any more, and the ports are TensorFlow's.
"""

import contextlib
import errno
import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec

from spl_tf.errors import HostEndedError, UserError
from spl_tf.hardware.cluster import Cluster
from spl_tf.hardware.connections import Connection, ForeignProgramError
from spl_tf.stored import Count

_JOIN, _PROBE, _HERE, _WAIT, _GO, _FOUND, _READY, _REFUSED = (bytes([letter]) for letter in b"jphwgfrx")
_MOST_BYTES = 1 << 20
_CONNECT_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
_TAKEN_SECONDS = 15.0  # A run that lost a host ends within this time.
_TOLD_EVERY = 2.0  # While the first host waits, those that have come hear of it so often.
_MEETING_SILENCE = 20.0
_LINGER_SECONDS = 5.0  # Once something is wrong, the rest is waited for so long, to be told of it.
_PROBE_SECONDS = 30.0  # A cluster's DNS may learn a name later than the first host meets its process.
_CLOCK_SECONDS = 5.0
_ENDED = "ended while the hosts met: start the same command on all hosts"
# As sysexits.h has it: a failure after which to try again.
LOST_CODE = 75

_NOT_REACHED = (OSError, UnicodeError, ForeignProgramError)  # UnicodeError: of a name that can be none.

Links = dict[int, Connection]


class _Came(msgspec.Struct):
    """What a host says that comes to the first one; `problem` is why it can't train."""

    number: Count
    addresses: tuple[str, ...]
    source: str
    problem: str | None


def meet(cluster: Cluster, wait_seconds: float) -> Links:
    """Connections of the first host to each other one by its number, or of another host to the first one, 0.

    Raises:
      UserError: within the time a host did not come, or is not reached from another one; a port is taken; hosts have
        other lists of hosts.
      HostEndedError: one ended meanwhile.
    """
    deadline = time.monotonic() + wait_seconds
    joined: queue.Queue[tuple[_Came, Connection]] = queue.Queue()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_listening(cluster, joined))
        except UserError as error:
            if cluster.number:  # The first host is told, and tells all others.
                with contextlib.suppress(UserError):
                    _join(cluster, deadline, wait_seconds, str(error))
            raise
        if cluster.number:
            links = {0: _join(cluster, deadline, wait_seconds, None)}
        else:
            links = _gather(cluster, joined, deadline, wait_seconds)
        clock = time.time()
        _agree(cluster, links, {"problem": _unreached(cluster), "clock": clock})
    return links


@contextlib.contextmanager
def _listening(cluster: Cluster, joined: queue.Queue) -> Iterator[None]:
    """Answers whoever comes to this host's port; hosts that join are put into the queue."""
    listener = _listener(cluster)

    def answer(opened: socket.socket) -> None:
        connection = Connection(opened, _MEETING_SILENCE)
        try:
            kind, value = connection.receive(_MOST_BYTES)
            if kind == _JOIN:
                joined.put((msgspec.convert(value, _Came), connection))
                return
            if kind == _PROBE:
                connection.send(_HERE, [cluster.number, cluster.addresses])
        except (OSError, ForeignProgramError, msgspec.ValidationError):
            pass
        connection.close()

    def accept() -> None:
        with contextlib.suppress(OSError):  # The listener was closed.
            while True:
                opened, _ = listener.accept()
                threading.Thread(target=answer, args=(opened,), daemon=True, name="answer").start()

    threading.Thread(target=accept, daemon=True, name="accept").start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # Else `accept` holds the port until somebody comes.
        listener.close()


def _listener(cluster: Cluster) -> socket.socket:
    """Opens this host's port."""
    _, port = cluster.endpoint(cluster.number)
    both = socket.has_dualstack_ipv6()
    reasons: dict[int | None, str] = {
        errno.EADDRINUSE: "another program has it, or an earlier run of this one that has not ended",
        errno.EACCES: "ports below 1024 are the system's",
    }
    deadline = time.monotonic() + _TAKEN_SECONDS
    while True:
        try:
            family = socket.AF_INET6 if both else socket.AF_INET
            return socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(_PAUSE_SECONDS)
                continue
            raise UserError(
                f"port {port}, this host's in {cluster.source}, can't be used ({reasons.get(error.errno, error)}): "
                "end what has it, or give another port on all hosts"
            ) from error


def _gather(cluster: Cluster, joined: queue.Queue, deadline: float, wait_seconds: float) -> Links:
    """The first host waits for the others."""
    links: Links = {}
    problems: list[str] = []
    told = False
    began = time.monotonic()
    while len(links) < len(cluster.addresses) - 1:
        missing = [cluster.name(k) for k in range(1, len(cluster.addresses)) if k not in links]
        now = time.monotonic()
        if now > deadline:
            problems.append(
                f"{', '.join(missing)} did not come within {wait_seconds:g} s: start the same command there"
            )
            break
        if not told and now - began > _TOLD_EVERY:
            _tell(f"waiting for {', '.join(missing)}, up to {wait_seconds:g} s")
            told = True
        try:
            came, connection = joined.get(timeout=min(_TOLD_EVERY, max(0.0, deadline - now)))
        except queue.Empty:
            for number, link in list(links.items()):
                with contextlib.suppress(OSError):
                    link.send(_WAIT, missing)
                if not link.is_open():  # It was ended and may come again.
                    del links[number]
            continue
        number, problem = came.number, None
        if came.addresses != cluster.addresses:
            problem = (
                f"host {number}'s {came.source} names {', '.join(came.addresses)}, the first host's "
                f"{', '.join(cluster.addresses)}: give all hosts the same list"
            )
        elif came.problem:
            problem = f"{cluster.name(number)}: {came.problem}"
        elif number in links and links[number].is_open():
            problem = f"two processes say that they are {cluster.name(number)}: give each its own number"
        if problem:
            problems.append(problem)
            deadline = min(deadline, time.monotonic() + _LINGER_SECONDS)
            number = -len(problems) if number in links or number >= len(cluster.addresses) else number
        links[number] = connection
    if problems:
        _refuse(links, problems[0])
    for link in links.values():
        with contextlib.suppress(OSError):  # Who is gone by now is missed when all tell what they found.
            link.send(_GO)
    return links


def _join(cluster: Cluster, deadline: float, wait_seconds: float, problem: str | None) -> Connection:
    """Another host comes to the first one, and waits there until all have come."""
    reason, told, began = "", False, time.monotonic()
    while True:
        try:
            connection = _connected(cluster, 0)
            connection.send(_JOIN, _Came(cluster.number, cluster.addresses, cluster.source, problem))
            while True:
                kind, value = connection.receive(_MOST_BYTES)
                if kind == _REFUSED:
                    raise _error(*value)
                if kind == _GO:
                    return connection
                if kind == _WAIT and not told:
                    told = True
                    _tell(f"waiting with {cluster.name(0)} for {', '.join(value)}")
        except _NOT_REACHED as error:
            reason = _in_words(error)
        now = time.monotonic()
        if now > deadline:
            raise UserError(
                f"{cluster.name(0)}, the first of {cluster.source}, is not reached ({reason}) within {wait_seconds:g} "
                "s: start the same command there, and look whether its name and port are right"
            )
        if not told and now - began > _TOLD_EVERY:
            told = True
            _tell(f"waiting for {cluster.name(0)}, up to {wait_seconds:g} s: {reason}")
        time.sleep(_PAUSE_SECONDS)


def _unreached(cluster: Cluster) -> str | None:
    """Tells of a host that this one does not reach."""
    for number in range(len(cluster.addresses)):
        if number != cluster.number and (reason := _probe(cluster, number)):
            return f"{cluster.name(cluster.number)} does not reach {cluster.name(number)}: {reason}"
    return None


def _probe(cluster: Cluster, number: int) -> str | None:
    deadline = time.monotonic() + _PROBE_SECONDS
    while True:
        try:
            connection = _connected(cluster, number)
            try:
                connection.send(_PROBE)
                kind, value = connection.receive(_MOST_BYTES)
            finally:
                connection.close()
        except _NOT_REACHED as error:
            if isinstance(error, ConnectionRefusedError) or time.monotonic() > deadline:
                return f"{_in_words(error)}; look whether {cluster.source} has its name and port right"
            time.sleep(_PAUSE_SECONDS)
        else:
            if kind != _HERE or value[0] != number:
                found = cluster.name(value[0]) if kind == _HERE else "another program"
                return f"{found} answers there: look whether {cluster.source} has its name right"
            return None


def _agree(cluster: Cluster, links: Links, found: Mapping[str, Any]) -> None:
    """Every host hears what all found; each tells of clocks that differ."""
    if cluster.number:
        links[0].allow_silence(_PROBE_SECONDS * len(cluster.addresses) + _MEETING_SILENCE)
        try:
            links[0].send(_FOUND, found)
            kind, value = links[0].receive(_MOST_BYTES)
        except OSError as error:
            raise HostEndedError(f"{cluster.name(0)} {_ENDED}", LOST_CODE) from error
        if kind == _REFUSED:
            raise _error(*value)
        clocks = value
    else:
        all_found = [found]
        for number in range(1, len(cluster.addresses)):
            links[number].allow_silence(_PROBE_SECONDS * len(cluster.addresses))
            try:
                all_found.append(links[number].receive(_MOST_BYTES)[1])
            except OSError:
                _refuse(links, f"{cluster.name(number)} {_ENDED}", LOST_CODE)
        if problems := [each["problem"] for each in all_found if each["problem"]]:
            _refuse(links, problems[0])
        clocks = [each["clock"] for each in all_found]
        for link in links.values():
            with contextlib.suppress(OSError):  # Who is gone is missed as any other time.
                link.send(_READY, clocks)
    for number, clock in enumerate(clocks):
        if abs(clock - clocks[0]) > _CLOCK_SECONDS:
            _tell(
                f"the clock of {cluster.name(number)} is {clock - clocks[0]:+,.0f} s off the first host's: training "
                "does not go by it, but times in logs and of files do"
            )


def _refuse(links: Links, line: str, code: int = 2) -> NoReturn:
    for link in links.values():
        with contextlib.suppress(OSError):
            link.send(_REFUSED, [line, code])
    raise _error(line, code)


def _error(line: str, code: int) -> Exception:
    return HostEndedError(line, code) if code == LOST_CODE else UserError(line)


def _connected(cluster: Cluster, number: int) -> Connection:
    return Connection(socket.create_connection(cluster.endpoint(number), _CONNECT_SECONDS), _MEETING_SILENCE)


def _in_words(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"no host of that name is known ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return "what answers there closes the connection: is it another program?"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _tell(line: str) -> None:
    print(f"hosts: {line}", flush=True)
