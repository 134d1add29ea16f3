"""The jobs of the two passes in processes: one that ends its process costs no more than the file it was reading."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import tqdm

from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.errors import UserError
from tools.noisyactions2m import passes
from tools.noisyactions2m.jobs import Job
from tools.noisyactions2m.passes import Merged, Read
from tools.noisyactions2m.result_files import Options
from tools.noisyactions2m.runs import Range

T = TypeVar("T")

# A job takes seconds; a file of 128 MB perhaps a minute.
_SECONDS_PER_JOB = 1800.0


def read(jobs: Sequence[Job], folder: str, options: Options, workers: int) -> list[tuple[Job, Read]]:
    """The answers of the first pass, in order. A job that fails is divided into its files.

    Files that no process can read, one at a time and with the memory to itself, are answered by `passes.lost`.
    """
    found: list[tuple[Job, Read]] = []
    for job, answer in zip(jobs, list(_run("reading", passes.read_job, jobs, (folder, options), workers)), strict=True):
        if not isinstance(answer, Failure):
            found.append((job, answer))
            continue
        alone = job.alone()
        for one, second in zip(alone, _run("again", passes.read_job, alone, (folder, options), 1), strict=True):
            failed = isinstance(second, Failure)
            found.append((one, passes.lost(one, folder, _reason(second)) if failed else second))
    return found


def merge(ranges: Sequence[Range], folder: str, queries: str | None, workers: int) -> Iterator[Merged]:
    """The answers of the second pass, in order.

    Raises:
      UserError: one has failed: what it holds is of many files.
    """
    for answer in _run("merging", passes.merge_range, ranges, (folder, queries), workers):
        if isinstance(answer, Failure):
            raise UserError(
                f"merging sorted results failed: {_reason(answer)}: free memory, and run the same command again"
            )
        yield answer


def _run(
    what: str, function: Callable[..., T], jobs: Sequence[Any], others: tuple[Any, ...], workers: int
) -> Iterator[T | Failure]:
    if not jobs:
        return
    call = functools.partial(_call, function, others)
    answers = run_in_workers(call, jobs, num_workers=workers, seconds_per_job=_SECONDS_PER_JOB)
    yield from tqdm.tqdm(answers, desc=what, total=len(jobs), unit="part")


def _call(function: Callable[..., T], others: tuple[Any, ...], job: Any) -> T:
    return function(job, *others)


def _reason(failure: Failure) -> str:
    return f"{failure.kind} {failure.detail}".strip()
