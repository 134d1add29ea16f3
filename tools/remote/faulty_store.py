"""An S3 server on this machine that fails some requests and is slow: moto behind chance.

  python -m tools.remote.faulty_store --port=5600 --failing=0.05 --delay=0.2

Requests wait for up to --delay seconds. Of those that fail, a third each gets 500, gets 503, and is done but its answer
lost: the client does not know that it was. GET /faults says how many requests came and how many failed. In memory.
"""

import contextlib
import json
import logging
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_integer("port", 5600, "Of 127.0.0.1.", flag_values=FLAGS)
flags.DEFINE_float("failing", 0.05, "Share of the requests that fail.", 0.0, 1.0, flag_values=FLAGS)
flags.DEFINE_float("delay", 0.0, "Longest wait, seconds.", 0.0, flag_values=FLAGS)

_ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>by chance</Message></Error>"
_SECONDS_TO_START = 60.0


class _Faulty:
    """A WSGI application around another one."""

    def __init__(self, served: Any, failing: float, delay: float):
        self._served, self._failing, self._delay = served, failing, delay
        self._chance, self._lock = random.Random(0), threading.Lock()
        self._requests = self._failed = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/faults":
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"requests": self._requests, "failed": self._failed}).encode()]
        with self._lock:
            chance, wait, kind = self._chance.random(), self._chance.random() * self._delay, self._chance.randrange(3)
            fails = chance < self._failing
            self._requests, self._failed = self._requests + 1, self._failed + fails
        time.sleep(wait)
        if not fails:
            return self._served(environ, start)
        status, code = ("500 Internal Server Error", b"InternalError"), ("503 Slow Down", b"SlowDown")
        if kind == 2:
            list(self._served(environ, lambda *_: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        said, name = (status, code)[kind % 2]
        start(said, [("Content-Type", "application/xml")])
        return [_ERROR % name]


@contextlib.contextmanager
def served(failing: float, delay: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [f"--port={port}", f"--failing={failing}", f"--delay={delay}"]
    process = subprocess.Popen([sys.executable, "-m", "tools.remote.faulty_store", *arguments])
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _SECONDS_TO_START
    try:
        while True:
            try:
                faults(address)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def faults(address: str) -> dict[str, int]:
    """ "requests" and "failed" of a server so far."""
    with urllib.request.urlopen(f"{address}/faults", timeout=10) as answer:
        return json.load(answer)


def credentials(address: str) -> dict[str, str]:
    """Environment variables of a process that is to use a server."""
    return os.environ | {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def main() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    served_app = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", FLAGS.port, _Faulty(served_app, FLAGS.failing, FLAGS.delay), threaded=True)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
