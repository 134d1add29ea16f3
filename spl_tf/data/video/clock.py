"""Times of a video's frames from its container's timestamps, of which a damaged file has wrong ones."""

# A longer step is looked at again when the clock steps back: a picture held, or a wrong timestamp.
_LONG_STEP_US = 1_000_000
# No picture is held for longer.
LONGEST_STEP_US = 3_600_000_000


class Clock:
    """Turns the timestamp of one frame after the other into its time.

    Timestamps are believed, also when a picture is held for minutes. But where the clock
    * says nothing or stands still, the frame gets the usual distance from the one before it;
    * steps back by more than a second or forward by more than an hour, it has started again (joined streams) and
      goes on from the frame before;
    * steps back into a long step forward, the timestamps between were wrong, and it is right again.

    Attributes:
      repairs: timestamps that were not believed.
      last_us: the time of the last frame.
    """

    def __init__(self, period_us: int):
        self._period_us = period_us
        self._offset_us = 0
        self._begun = False
        self._stamp_us: int | None = None
        self._before_step_us: int | None = None
        self._before_restart: tuple[int, int] | None = None
        self.repairs = 0
        self.last_us = 0

    def time_us(self, stamp_us: int | None) -> int:
        """The time of the next frame; only damage lets it be less than that of the one before."""
        if not self._begun:
            self._begun, self.last_us = True, stamp_us or 0
        elif stamp_us is None or stamp_us == self._stamp_us:
            self.repairs += 1
            self.last_us += self._period_us
        else:
            now = stamp_us + self._offset_us
            usual = 0 < now - self.last_us <= _LONG_STEP_US and self._before_restart is None
            self.last_us = now if usual else self._step(self.last_us, stamp_us)
        self._stamp_us = stamp_us
        return self.last_us

    def _step(self, last: int, stamp_us: int) -> int:
        now = stamp_us + self._offset_us
        if self._before_restart and now > last + _LONG_STEP_US:
            offset_us, left_us = self._before_restart
            if left_us < stamp_us + offset_us < now:  # One wrong timestamp only looked like a new start.
                self._offset_us, now = offset_us, stamp_us + offset_us
        self._before_restart = None
        if abs(now - last) <= _LONG_STEP_US:
            return now
        if last < now <= last + LONGEST_STEP_US:
            self._before_step_us = last
            return now
        self.repairs += 1
        if self._before_step_us is not None and self._before_step_us < now < last:
            self._before_step_us = None
            return now
        self._before_restart = self._offset_us, last
        self._offset_us += last + self._period_us - now
        return last + self._period_us
