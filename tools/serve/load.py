"""Sends one clip again and again from several clients at once, and says what failed and how long it took.

  python -m tools.serve.load --video=V --model_json=S/1/assets.extra/model.json --requests=1000 --clients=8

V, server, model and signature as for tools.serve.client. Each client has a connection of its own
(with REST one for every request) and asks anew as soon as it has an answer. Every answer must have
the scores of the first, to 1e-5; another one counts as a failure. --pid names the server's process
where it runs on this machine: its memory is printed after the first tenth of the requests and at
the end. Exit code 1 after a failure.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import pathlib
import queue
import time
from collections.abc import Callable, Sequence

import numpy as np
import tqdm
from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.serve.request import define_flags

FLAGS = flags.FlagValues()
define_flags(FLAGS)
flags.DEFINE_integer("requests", 1000, "How many.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("clients", 8, "How many ask at once.", lower_bound=1, upper_bound=1000, flag_values=FLAGS)
flags.DEFINE_integer("pid", None, "Process id of the server, to watch its memory.", flag_values=FLAGS)

_TOLERANCE = 1e-5
_PERCENTILES = (50, 90, 99)


@dataclasses.dataclass
class Load:
    """What came of all requests.

    Attributes:
      seconds: from the first request to the last answer.
      latencies: seconds of each request that was answered rightly.
      failures: what went wrong -> how often.
      megabytes: of the server's process after the first tenth and at the end, where it is watched.
    """

    seconds: float = 0.0
    latencies: list[float] = dataclasses.field(default_factory=list)
    failures: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    megabytes: list[float] = dataclasses.field(default_factory=list)

    def lines(self) -> list[str]:
        failed = self.failures.total()
        total = len(self.latencies) + failed
        lines = [f"{total} requests in {self.seconds:.1f} s: {total / self.seconds:.1f} a second"]
        if self.latencies:
            places = zip(_PERCENTILES, np.percentile(self.latencies, _PERCENTILES), strict=True)
            parts = [f"{place} % within {1000 * seconds:.0f} ms" for place, seconds in places]
            lines.append(", ".join([*parts, f"longest {1000 * max(self.latencies):.0f} ms"]))
        if self.megabytes:
            early, late = self.megabytes
            lines.append(f"memory of the server: {early:.0f} MB after the first tenth, {late:.0f} MB at the end")
        lines.append(f"{failed} failures")
        return lines + [f"{count} x {reason}" for reason, count in self.failures.most_common()]


def main() -> int:
    from tools.serve.answer import scores_of
    from tools.serve.request import make_request

    memory = None if FLAGS.pid is None else (lambda: resident_megabytes(FLAGS.pid))
    if memory:
        memory()  # A wrong --pid shows before the work.
    request = make_request(FLAGS)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(request.connected()) for _ in range(FLAGS.clients)]
        load = run_load(
            [lambda predict=predict: scores_of(predict(request.inputs)) for predict in clients],
            FLAGS.requests,
            memory,
        )
    for line in load.lines():
        print(line)
    return 1 if load.failures else 0


def run_load(
    clients: Sequence[Callable[[], np.ndarray]], num_requests: int, memory: Callable[[], float] | None = None
) -> Load:
    """Lets every client ask as fast as it is answered.

    Args:
      clients: each asks once and returns the scores.
      num_requests: by all of them together, after one that is not counted.
      memory: megabytes of the server.

    Raises:
      UserError: the very first request fails.
    """
    expected = clients[0]()
    load = Load()
    free: queue.SimpleQueue[Callable[[], np.ndarray]] = queue.SimpleQueue()
    for client in clients:
        free.put(client)

    def ask(_: int) -> tuple[float, str | None]:
        client = free.get()
        start = time.perf_counter()
        try:
            scores = client()
        except UserError as error:
            return 0.0, " ".join(str(error).split())
        finally:
            free.put(client)
        seconds = time.perf_counter() - start
        alike = scores.shape == expected.shape and np.allclose(scores, expected, rtol=0, atol=_TOLERANCE)
        return seconds, None if alike else "other scores than the first answer's"

    executor = concurrent.futures.ThreadPoolExecutor(len(clients))
    start = time.perf_counter()
    try:
        outcomes = executor.map(ask, range(num_requests))
        bar = tqdm.tqdm(outcomes, "requests", num_requests, unit="request", dynamic_ncols=True, mininterval=1.0)
        for number, (seconds, failure) in enumerate(bar, 1):
            if failure is None:
                load.latencies.append(seconds)
            else:
                load.failures[failure] += 1
            if memory and number == -(-num_requests // 10):
                load.megabytes.append(memory())
    finally:
        executor.shutdown(cancel_futures=True)
    load.seconds = time.perf_counter() - start
    if memory:
        load.megabytes.append(memory())
    return load


def resident_megabytes(pid: int) -> float:
    """Memory of a process that is not swapped out.

    Raises:
      UserError: there is no such process.
    """
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise UserError(f"--pid={pid}: there is no such process") from error
    values = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    if not values:
        raise UserError(f"--pid={pid}: this process has no memory of its own")
    return int(values[0]) * 1024 / 1e6


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
