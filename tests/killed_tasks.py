"""Runs tasks as processes that are killed at random moments and started again, until all is done."""

import contextlib
import os
import pathlib
import random
import signal
import time
from collections.abc import Callable

from spl_tf.claims import Task

_COUNT = 3


def run_killed(work: Callable[[pathlib.Path, Task], object], folder: pathlib.Path, kills: int, lease: float) -> None:
    """Lets tasks make `folder/0`, then `folder/1` ... until so many were killed, each while it and others worked.

    To be called by a process without threads: tasks are forks of it, since they could not be started so often.

    Args:
      work: makes a folder as one of its tasks.
      folder: of the folders.
      kills: how many.
      lease: seconds.
    """
    draw, killed, made = random.Random(0), 0, 0
    while killed < kills:
        output, begun = folder / str(made), time.monotonic()
        running = {number: _start(work, output, number, lease) for number in range(1, _COUNT + 1)}
        # About as long as a folder takes undisturbed; then it may be finished.
        while killed < kills and time.monotonic() - begun < 20 * lease:
            time.sleep(draw.uniform(0.0, 2.0))
            number = draw.choice(list(running))
            if os.waitpid(running[number], os.WNOHANG) != (0, 0):
                running.pop(number)  # It returned: the folder is finished, or it failed, which the comparison shows.
                break
            os.kill(running[number], signal.SIGKILL)
            os.waitpid(running[number], 0)
            killed += 1
            running[number] = _start(work, output, number, lease)
        for pid in running.values():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        made += 1
    print(f"{killed} killed, {made} folders")


def _start(work: Callable[[pathlib.Path, Task], object], output: pathlib.Path, number: int, lease: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(output, Task(number, _COUNT, lease))
        code = 0
    finally:
        os._exit(code)
