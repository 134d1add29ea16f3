"""A pool of spawned processes that survives what a video can do to a decoder.

A job that kills its process or does not end in time becomes a `Failure`, its process
is replaced and the pool goes on. `multiprocessing.Pool` and `ProcessPoolExecutor`
hang or break as a whole when a process dies. So does `pebble.ProcessPool` (5.2), whose
processes share one pipe and its locks: when one dies or is stuck while it sends its result,
or dies between two jobs. This module must not import OpenCV: `worker_environment` comes first.
"""

import collections
import contextlib
import dataclasses
import importlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any

from spl_tf.errors import UserError

_SECONDS_TO_START = 120.0
_SECONDS_TO_DIE = 10.0
_LONGEST_WAIT = 3600.0  # The system call takes no infinity.
# What a job may take beside the libraries: frames of 8K fit, what a damaged header asks for does not.
_BYTES_PER_JOB = 3 << 30
# Never fork of this process: TensorFlow's threads may hold locks. A fork of a server that has imported nothing but what
# the first function needs starts in milliseconds, where a spawned process takes a second to import OpenCV and PyAV.
# Elsewhere than on Linux system libraries may not be used after a fork.
_CONTEXT = (
    multiprocessing.get_context("forkserver") if sys.platform == "linux" else multiprocessing.get_context("spawn")
)


@dataclasses.dataclass(frozen=True)
class Failure:
    """A job that gave no result: `kind` is what is counted, `detail` says more."""

    kind: str
    detail: str = ""


def run_in_workers(
    function: Callable[[Any], Any],
    jobs: Iterable[Any],
    *,
    num_workers: int,
    seconds_per_job: float,
) -> Generator[Any, None, None]:
    """Yields `function(job)` or a `Failure` for every job, in the order of the jobs.

    Args:
      function: of a module's top level; its module must not import TensorFlow and must start no thread.
      jobs: picklable; each is asked for when a process is free for it.
      num_workers: processes.
      seconds_per_job: a job that takes longer is stopped.

    Raises:
      OSError: as raised by the function (a full disk is no property of the job).
      UserError: the processes do not start.
    """
    # The consumer may wait for one slow job while this many others pile up behind it.
    ahead = 8 * num_workers
    results: dict[int, Any] = {}
    # Without effect once the server runs: later functions need mostly the same libraries.
    _CONTEXT.set_forkserver_preload(["spl_tf.data.worker_environment", __name__, function.__module__])
    numbered = enumerate(jobs)
    waiting = collections.deque(itertools.islice(numbered, num_workers))
    workers: list[_Worker] = []

    def is_there_more() -> bool:
        waiting.extend(itertools.islice(numbered, 0 if waiting else 1))
        return bool(waiting)

    try:
        workers += [_Worker(function, seconds_per_job) for _ in waiting]
        given = 0
        for position in itertools.count():
            while position not in results:
                for worker in workers:
                    if worker.is_idle and given < position + ahead and is_there_more():
                        worker.give(*waiting.popleft())
                        given += 1
                if position == given and not is_there_more():
                    return
                results.update(_collect(workers))
            yield results.pop(position)
    finally:
        for worker in workers:
            worker.kill()


def _collect(workers: list["_Worker"]) -> dict[int, Any]:
    """Waits until a worker has something to say or is out of time; returns the results by position."""
    timeout = max(0.0, min(worker.deadline for worker in workers) - time.monotonic())
    timeout = min(timeout, _LONGEST_WAIT)
    multiprocessing.connection.wait([worker.connection for worker in workers], timeout)
    results: dict[int, Any] = {}
    for worker in workers:
        # What has arrived counts, even when it is looked at after the deadline.
        if worker.connection.poll():
            results.update(worker.receive())
        elif worker.deadline < time.monotonic():
            results.update(worker.stop_late_job())
    return results


class _Worker:
    """One process and the job it works on."""

    def __init__(self, function: Callable[[Any], Any], seconds_per_job: float):
        self._function = function
        self._seconds_per_job = seconds_per_job
        self._start()

    def _start(self) -> None:
        self.connection, other_end = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(other_end,), daemon=True, name="spl_tf-video-worker")
        self._process.start()
        other_end.close()
        self._send(self._function)
        self._started = False
        self._position: int | None = None
        self.deadline = time.monotonic() + _SECONDS_TO_START

    @property
    def is_idle(self) -> bool:
        # Without a job it has nothing to say: what can be read is the end of a dead process, see `receive`.
        return self._started and self._position is None and not self.connection.poll()

    def give(self, position: int, job: Any) -> None:
        self._position = position
        self.deadline = time.monotonic() + self._seconds_per_job
        self._send(job)

    def _send(self, message: Any) -> None:
        # It may have died at its start or between two jobs: `receive` then sees the end of the pipe.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def receive(self) -> dict[int, Any]:
        """Takes a message; an ended pipe is a dead process."""
        try:
            value = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return self._replace(self._cause_of_death())
        if not self._started:
            self._started = True
            self.deadline = float("inf")
            return {}
        if isinstance(value, OSError):
            raise value
        return self._finish(value)

    def stop_late_job(self) -> dict[int, Any]:
        return self._replace(Failure(f"no end after {self._seconds_per_job:g} s"))

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_SECONDS_TO_DIE)  # A process that waits for a dead file server cannot even be killed.
        self.connection.close()

    def _replace(self, failure: Failure) -> dict[int, Any]:
        self.kill()
        if not self._started:
            raise UserError(
                "video workers do not start: see the message above; a script that builds shards needs "
                "its work below `if __name__ == '__main__':`"
            )
        result = self._finish(failure)
        self._start()
        return result

    def _finish(self, value: Any) -> dict[int, Any]:
        """The result of its job by position; nothing where it had none."""
        position, self._position, self.deadline = self._position, None, float("inf")
        return {} if position is None else {position: value}

    def _cause_of_death(self) -> Failure:
        self._process.join()
        code = self._process.exitcode
        assert code is not None  # It has been joined.
        return Failure("decoder crashed", f"(signal {-code})" if code < 0 else f"(exit code {code})")


def _serve(connection: multiprocessing.connection.Connection) -> None:
    """A worker's life: the function first, then jobs, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business.
    threading.Thread(target=_die_with_parent, daemon=True).start()
    importlib.import_module("spl_tf.data.worker_environment")
    try:
        function = connection.recv()  # Imports its module, and OpenCV with it.
        _limit_memory()
        connection.send(None)
        while True:
            job = connection.recv()
            try:
                result = function(job)
            except OSError as error:
                result = error
            except MemoryError:
                result = Failure("out of memory")
            connection.send(result)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _limit_memory() -> None:
    """Makes further allocations fail that lead too far, instead of the whole machine; where the system can (Linux)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as sizes:
            now = int(sizes.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    _, hardest = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now + _BYTES_PER_JOB
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hardest < 0 else min(wanted, hardest), hardest))


def _die_with_parent() -> None:
    """A decoder may run for minutes after its parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # This is a worker.
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
