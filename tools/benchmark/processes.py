"""What this process and all that it started have used."""

import multiprocessing.forkserver
import pathlib
import resource


def usage_of_all() -> list[resource.struct_rusage]:
    """Of this process and of those that have ended, workers among them: the server that forks them is ended first."""
    multiprocessing.forkserver._forkserver._stop()
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def processor_seconds() -> float:
    """Seconds of processor of `usage_of_all`."""
    return sum(usage.ru_utime + usage.ru_stime for usage in usage_of_all())


def memory_now() -> int:
    """Bytes of this process and of all that it started, shared ones once (proportional set size)."""
    waiting, size = ["self"], 0
    while waiting:
        folder = pathlib.Path("/proc", waiting.pop())
        waiting += [name for path in folder.glob("task/*/children") for name in _text(path).split()]
        lines = (line.split() for line in _text(folder / "smaps_rollup").splitlines() if line.startswith("Pss:"))
        size += sum(1024 * int(words[1]) for words in lines)
    return size


def _text(path: pathlib.Path) -> str:
    """A file's content, nothing where its process has just ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
