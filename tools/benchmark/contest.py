"""Several programs that do the same work, each in a process of its own, measured in turns."""

import contextlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

# Calls before anything is measured: the first compile, allocate and choose algorithms.
_WARM_UP = 3


class Contestant:
    """A process that waits until it is told to work.

    Args:
      module: run with `python -m`; it calls `serve`.
      arguments: its command line.
    """

    def __init__(self, module: str, arguments: Sequence[str]):
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.title = self._answer()

    def seconds_per_call(self, seconds: float) -> float:
        """Of the calls that it makes in so many seconds, at least one."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("> "):
                return line[2:].strip()
        raise RuntimeError(f"{self._process.args} ended with code {self._process.wait()}")


def serve(title: str, call: Callable[[], object]) -> None:
    """Makes calls for as many seconds as each line of the input says, and answers how long one took.

    Args:
      title: what it is, with versions.
      call: the work, done when it returns.
    """
    call()
    print(f"> {title}", flush=True)
    for _ in range(_WARM_UP - 1):
        call()
    for line in sys.stdin:
        begin, calls = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < float(line) or not calls:
            call()
            calls += 1
        print(f"> {elapsed / calls}", flush=True)


@contextlib.contextmanager
def started(commands: dict[str, tuple[str, Sequence[str]]]) -> Iterator[dict[str, Contestant]]:
    """Contestants by name, one started after the other; ended with the block."""
    contestants: dict[str, Contestant] = {}
    try:
        for name, (module, arguments) in commands.items():
            print(f"starting {name}", file=sys.stderr, flush=True)
            contestants[name] = Contestant(module, arguments)
        yield contestants
    finally:
        for contestant in contestants.values():
            contestant.end()


def measure(contestants: dict[str, Contestant], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Seconds of a call by contestant and round; the order within a round is drawn."""
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    order = random.Random(0)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for name in order.sample(list(contestants), len(contestants)):
            measured[name].append(contestants[name].seconds_per_call(seconds))
    return measured


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """How many times as long they take in the same round: median, least and most."""
    ratios = sorted(their / our for their, our in zip(theirs, ours, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
