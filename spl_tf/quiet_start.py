"""TensorFlow without the lines it starts with, of oneDNN, CUDA and absl; they hide a command's own.

TF_CPP_MIN_LOG_LEVEL does not reach all of them: libraries log as they are loaded, before anybody can tell them not to.
So what is written to standard error while TensorFlow is imported and looks for devices goes through another process,
which leaves these lines out. It outlives a crash, and passes on what the crash says of itself.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import signal
import sys
import types
from collections.abc import Iterator, Sequence

LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# 0 shows all, 1 no information, 2 no warnings, 3 no errors: TensorFlow's own numbers.
_USUAL_LEVEL = "2"
_PREAMBLE = rb"WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
# "I0000 00:00:1796009824.407856   10828 cudart_stub.cc:31] ..." or "2026-01-02 03:04:05.67: I core/port.cc:153] ..."
_LOGGED = rb"(?:\d{4}-\d\d-\d\d [\d:.]+ )?[%s](?:\d{4} [\d:.]+ +\d+)? \S+\.\w+:\d+\] "
# A machine with this file has a GPU, and its user wants to know why it is not used.
_DRIVER = pathlib.Path("/proc/driver/nvidia/version")


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """While it is open, the first import of TensorFlow goes without these lines, unless the level asks for them."""
    level = os.environ.setdefault(LEVEL, _USUAL_LEVEL)
    if level not in ("2", "3") or "tensorflow" in sys.modules:
        yield
        return
    finder = _Finder(_dropped(with_errors=level == "3" or not _DRIVER.exists()))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # It removes itself.
            sys.meta_path.remove(finder)


def without_errors() -> None:
    """Leaves TensorFlow's own lines of errors out too, where no level was asked for; before it is imported."""
    if os.environ.get(LEVEL) == _USUAL_LEVEL:
        os.environ[LEVEL] = "3"


def _dropped(*, with_errors: bool) -> re.Pattern[bytes]:
    return re.compile(_PREAMBLE + b"|" + _LOGGED % (b"IWE" if with_errors else b"IW"))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as Python would, and has it loaded quietly."""

    def __init__(self, dropped: re.Pattern[bytes]):
        self._dropped = dropped

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_quietly(module: types.ModuleType) -> None:
                with _without_lines(self._dropped):
                    load(module)
                    module.config.list_physical_devices()  # CUDA tells what it misses when it is first asked.

            spec.loader.exec_module = load_quietly  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _without_lines(dropped: re.Pattern[bytes]) -> Iterator[None]:
    """Passes on what is written to standard error meanwhile, but for the lines that begin so."""
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()  # Before TensorFlow and its threads.
    if not child:
        os.close(writing)
        _pass_on(reading, dropped)
    os.close(reading)
    before = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        os.waitpid(child, 0)


def _pass_on(reading: int, dropped: re.Pattern[bytes]) -> None:
    """What the other process does until nobody writes any more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        with open(reading, "rb") as lines:
            for line in lines:
                if not dropped.match(line):
                    os.write(2, line)
    finally:
        os._exit(0)
