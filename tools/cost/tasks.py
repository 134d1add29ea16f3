"""Many tasks that share out a large plan, simulated: hosts with clocks of their own, of which some die or are paused.

  python -m tools.cost.tasks --videos=2000000 --shards=10000 --tasks=64 --die=0.05

The plan is written and read, and shards are claimed and taken over, by the code that spl_tf.shard --task runs, in files
of a folder; only cutting is left out: it is so many seconds of simulated time. Printed are how long that took, in
simulated and in real time, what was done twice, and the memory. Exit code 1 unless every shard was done, and every
video cut, once in the result.
"""

import contextlib
import dataclasses
import heapq
import io
import itertools
import math
import pathlib
import random
import resource
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
for _name, _default, _help in (
    ("videos", 2_000_000, "Videos of the plan."),
    ("shards", 10_000, "Shards they are dealt to."),
    ("tasks", 64, "Tasks, each on a host of its own."),
    ("seed", 0, "Of all that is drawn."),
):
    flags.DEFINE_integer(_name, _default, _help, lower_bound=0 if _name == "seed" else 1, flag_values=FLAGS)
for _name, _default, _help in (
    ("die", 0.05, "Share of the tasks that die, at random moments, and are not started again."),
    ("paused", 0.05, "Share of the tasks that stand still for five leases, and then go on with what they held."),
):
    flags.DEFINE_float(_name, _default, _help, lower_bound=0.0, upper_bound=0.9, flag_values=FLAGS)
flags.DEFINE_float("seconds_per_shard", 600.0, "Of a task's work, on average.", lower_bound=1.0, flag_values=FLAGS)
flags.DEFINE_string(
    "folder", None, "For the plan and the claims, removed in the end; a temporary one by default.", flag_values=FLAGS
)


class _Host:
    """A task's host: its clock, its fate, and the thread that stands for it."""

    def __init__(self, number: int, draw: random.Random):
        self.number = number
        self.origin, self.rate = draw.uniform(-1e9, 1e9), draw.uniform(0.9, 1.1)
        self.dies_at = math.inf
        self.pause = (math.inf, math.inf)
        self.may_go_on = threading.Semaphore(0)
        self.has_ended = False

    def is_silent(self, now: float) -> bool:
        return self.has_ended or now >= self.dies_at or self.pause[0] <= now < self.pause[1]


class _World:
    """Simulated time: one host runs at a moment, until it waits."""

    def __init__(self):
        self.now = 0.0
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, _Host]] = []
        self._has_stopped = threading.Semaphore(0)

    def begin(self, host: _Host, moment: float) -> None:
        heapq.heappush(self._waiting, (moment, next(self._order), host))

    def wait(self, host: _Host, seconds: float) -> None:
        """Called by a host: `seconds` of its own clock."""
        self.begin(host, self.now + seconds / host.rate)
        self._has_stopped.release()
        host.may_go_on.acquire()

    def clock(self, host: _Host) -> float:
        return host.origin + self.now * host.rate

    def end(self, host: _Host) -> None:
        """Called by a host that is done."""
        host.has_ended = True
        self._has_stopped.release()

    def moments(self) -> Iterator[float]:
        """Yields the time before each host goes on; those that died never do."""
        while self._waiting:
            self.now, _, host = heapq.heappop(self._waiting)
            if self.now >= host.dies_at:
                continue
            if host.pause[0] <= self.now < host.pause[1]:
                self.begin(host, host.pause[1])
                continue
            yield self.now
            host.may_go_on.release()
            self._has_stopped.acquire()


@dataclasses.dataclass
class Outcome:
    """What came of a simulation.

    Attributes:
      hours: of simulated time, until the last living task ended.
      busy: share of the living tasks' time that went into shards.
      done: shards.
      videos: of their plans, all different.
      twice: shards that were done again by a task that did not know.
      taken_over: claims of dead or paused tasks.
      dead: tasks.
    """

    hours: float
    busy: float
    done: int
    videos: int
    twice: int
    taken_over: int
    dead: int


def simulate(
    folder: pathlib.Path,
    *,
    videos: int,
    shards: int,
    tasks: int,
    die: float,
    paused: float,
    seconds_per_shard: float,
    seed: int = 0,
) -> Outcome:
    """Runs tasks over a plan; the arguments are those of the command."""
    from spl_tf import files
    from spl_tf.claims import Claims, Task
    from spl_tf.data.building.plan import Plan
    from spl_tf.data.building.stored_plan import StoredPlan, write_plan

    write_plan(folder / "plan.jsonl", {}, Plan(_Shards(videos, shards), ()))  # type: ignore[arg-type]
    plan = StoredPlan(folder / "plan.jsonl")
    names, done, draw, world = list(plan.num_videos), folder / "done", random.Random(seed), _World()
    done.mkdir()
    hosts = [_Host(number, draw) for number in range(1, tasks + 1)]
    expected = seconds_per_shard * shards / tasks
    fated = draw.sample(hosts, round(die * tasks) + round(paused * tasks))
    for host in fated[: round(die * tasks)]:
        host.dies_at = draw.uniform(0, expected)
    lease = 60.0
    for host in fated[round(die * tasks) :]:
        begin = draw.uniform(0, expected)
        host.pause = begin, begin + 5 * lease
    claims: dict[int, Claims] = {}
    busy = collected = twice = 0

    def is_done(name: str) -> bool:
        return (done / name).exists()

    def work(host: _Host, seed: int) -> None:
        nonlocal busy, collected, twice
        host.may_go_on.acquire()
        draw = random.Random(seed)
        claim = Claims(
            folder / "claims",
            Task(host.number, tasks, lease),
            lambda: world.clock(host),
            lambda seconds: world.wait(host, seconds),
        )
        claim.require_same({})
        claim.beat()
        claims[host.number] = claim
        for units in (names, ["finish"]):
            for mine in claim.rounds(units, is_done):
                for name in mine:
                    seconds = 1.0 if name == "finish" else draw.lognormvariate(-0.125, 0.5) * seconds_per_shard
                    world.wait(host, seconds)
                    busy += seconds / host.rate
                    if not files.put_first(done / name, str(host.number)):
                        twice += 1
                    elif name != "finish":
                        collected += sum(_number(cut.video.video_id) for cut in plan.shard(name).cuts)
        world.end(host)

    for host in hosts:
        threading.Thread(target=work, args=[host, draw.getrandbits(64)], daemon=True).start()
        world.begin(host, draw.uniform(0, seconds_per_shard))
    beaten = -math.inf
    for now in world.moments():
        if now - beaten >= lease / 6:
            beaten = now
            for host in hosts:
                if host.number in claims and not host.is_silent(now):
                    claims[host.number].beat()
    taken_over = sum(1 for path in (folder / "claims/units").iterdir() if not path.name.endswith(".0"))
    living = [host for host in hosts if host.has_ended]
    return Outcome(
        hours=world.now / 3600,
        busy=busy / (world.now * len(living)),
        done=sum(map(is_done, names)),
        videos=videos if collected == videos * (videos - 1) // 2 else -1,
        twice=twice,
        taken_over=taken_over,
        dead=len(hosts) - len(living),
    )


def _number(video_id: str) -> int:
    return int(video_id.removeprefix("v"))


class _Shards(Sequence):
    """The shards of a made plan, none of which is kept in memory."""

    def __init__(self, videos: int, shards: int):
        self._videos, self._shards = videos, shards

    def __len__(self) -> int:
        return min(self._shards, self._videos)

    def __getitem__(self, number):
        from spl_tf.data.building.plan import PlannedCut, ShardPlan
        from spl_tf.data.manifest import Video

        if not 0 <= number < len(self):
            raise IndexError
        videos = (
            Video(
                f"/data/web/v{place}.mp4", f"v{place}.mp4", f"v{place}", (place % 400,), ("a class",), 0.0, math.inf, ()
            )
            for place in range(number, self._videos, len(self))
        )
        return ShardPlan(f"web-{number:05d}-of-{len(self):05d}", tuple(PlannedCut(video, None) for video in videos))


def main() -> int:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=FLAGS.folder) as folder:
        names = ("videos", "shards", "tasks", "die", "paused", "seconds_per_shard", "seed")
        with contextlib.redirect_stdout(io.StringIO()):  # Who waits, and who takes over what.
            outcome = simulate(pathlib.Path(folder), **{name: FLAGS[name].value for name in names})
    print(
        f"{outcome.done:,} of {FLAGS.shards:,} shards done by {FLAGS.tasks} tasks, {outcome.dead} of which died, in "
        f"{outcome.hours:,.1f} simulated hours ({outcome.busy:.1%} of the living tasks' time was work); "
        f"{outcome.taken_over} claims taken over, {outcome.twice} shards done twice, with one result\n"
        f"{time.monotonic() - begun:,.0f} s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB"
    )
    return 0 if (outcome.done, outcome.videos) == (min(FLAGS.shards, FLAGS.videos), FLAGS.videos) else 1


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
