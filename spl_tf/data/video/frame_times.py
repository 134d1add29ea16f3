"""Times of a video's frames from its container's timestamps, of which a damaged file has wrong ones."""

import dataclasses
from collections.abc import Iterable, Iterator

# A longer step between two frames is a jump of the clock (joined streams), not a still picture.
MAX_PAUSE_US = 60_000_000
# A step of more usual distances than this, forward, may be a wrong timestamp; one of less, back, surely is.
_FEW_FRAMES = 5


@dataclasses.dataclass(frozen=True)
class _Jump:
    """A step of the container's clock that may prove wrong: the stamps it led from and to, and the first one's time."""

    left: float
    landed: float
    left_time: float

    @property
    def back(self) -> bool:
        """Whether the clock stood still or ran back."""
        return self.landed <= self.left

    def is_undone(self, previous: float, stamp: float) -> bool:
        """Whether the clock is where it would be without the jump: past a step back, or inside a step forward."""
        return self.left <= stamp > previous if self.back else self.left < stamp < self.landed

    def time_without(self, stamp: float) -> float:
        return self.left_time + stamp - self.left


def frame_times(stamps: Iterable[float], period_us: int) -> Iterator[int]:
    """Yields the time of each frame from its container's timestamp, as soon as that is read.

    Times are the stamps' distances from the first one. But a damaged file has wrong stamps, for a missing one
    OpenCV says 0, and in a joined file they start again. So where the clock
    * steps forward, by up to a minute, that is believed until it steps back inside this gap: then the stamps
      between were wrong. It is believed again, and times creep until it has caught up with them;
    * steps back by a few frames, times creep as well;
    * steps back otherwise, stands still or jumps by more than a minute, the frame gets the usual distance from
      the one before it. Where the next stamp is past those before the step, the clock goes on as if without it;
      else it has started again.

    Args:
      stamps: microseconds, from any origin.
      period_us: usual distance of two frames, microseconds.

    Yields:
      Microseconds from the first frame, strictly increasing.
    """
    stamps = iter(stamps)
    first = next(stamps, None)
    if first is None:
        return
    few_us = _FEW_FRAMES * period_us
    previous, time_us, exact = first, 0, 0.0
    jump: _Jump | None = None
    yield time_us
    for stamp in stamps:
        step = stamp - previous
        runs = 0 < step <= MAX_PAUSE_US or (-few_us <= step < 0 and stamp > first)
        if jump and jump.is_undone(previous, stamp) and jump.time_without(stamp) - time_us <= MAX_PAUSE_US:
            exact = jump.time_without(stamp)
            if exact > time_us:
                jump = None
        else:
            if runs and jump and jump.back:
                jump = None  # The clock has started again.
            if not (jump and jump.back) and (step > few_us or not runs):
                jump = _Jump(previous, stamp, exact)
            # Times that creep are ahead of the clock by more than rounding.
            exact = exact + step if runs else max(exact, time_us - 0.5) + period_us
        time_us = max(round(exact), time_us + 1)
        previous = stamp
        yield time_us
