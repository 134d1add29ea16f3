"""SIGTERM and Ctrl-C while a stage is trained: noted instead of dying of them, so that the loop can save first."""

import contextlib
import dataclasses
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator

from spl_tf.errors import Terminated

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOPPED_AT_ONCE = 130  # As a shell counts Ctrl-C: 128 + SIGINT.


@dataclasses.dataclass
class StopRequest:
    """Whether somebody asked the run to stop, and by which signal."""

    received: int | None = None


def stopped_by(signal_number: int, message: str) -> BaseException:
    """What `command` turns into the signal's exit code: Terminated, or KeyboardInterrupt after Ctrl-C."""
    return Terminated(message) if signal_number == signal.SIGTERM else KeyboardInterrupt(message)


@contextlib.contextmanager
def stop_noted() -> Iterator[StopRequest]:
    """Notes SIGTERM and Ctrl-C. The first is told of at once, a second Ctrl-C ends the process at once.

    Python handles a signal between two of its own lines, and many steps are one call of TensorFlow. So a thread
    listens where Python writes every signal's number the moment it comes (`signal.set_wakeup_fd`).

    A signal that the process was started to ignore, as a shell does with Ctrl-C for what it runs in the background, is
    ignored.
    """
    request = StopRequest()

    def note(signal_number, frame):
        request.received = request.received or signal_number

    noted = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    listener = threading.Thread(target=_listen, args=(receiver,), daemon=True, name="signals")
    listener.start()
    listened = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    previous = {number: signal.signal(number, note) for number in noted}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(listened)
        sender.close()
        listener.join()
        receiver.close()


def _listen(receiver: socket.socket) -> None:
    """Answers every signal until the sender is closed."""
    interrupts, is_told = 0, False
    while content := receiver.recv(1):
        interrupts += content[0] == signal.SIGINT
        if interrupts > 1:
            _tell("stopped at once: nothing since the last checkpoint is saved; the same command goes on from there")
            os._exit(_STOPPED_AT_ONCE)
        if content[0] in _SIGNALS and not is_told:
            _tell("stopping: the steps under way are ended and saved; Ctrl-C once more stops at once, without saving")
            is_told = True


def _tell(message: str) -> None:
    print(f"\nspl_tf: {message}", file=sys.stderr, flush=True)
