"""Frames of a video file with their times, one after the other.

The time of a frame is the container's: microseconds from the file's beginning, where a player starts, which a stream
of pictures may follow seconds later than the sound. What an edit list hides is not there.
"""

import bisect
import collections
import functools
import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

from spl_tf.data.video import containers
from spl_tf.data.video.clock import LONGEST_STEP_US, Clock
from spl_tf.data.video.complaints import complaints, heard
from spl_tf.data.video.container_checks import container_faults
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.packets import decoded_in_turn, packets
from spl_tf.data.video.pictures import (
    Converter,
    TimedFrame,
    orientation_of,
    require_standard_range,
    with_sorted_times,
    without_fields,
)
from spl_tf.data.video.scaling import frames_in_turn

# 8K; decoding it takes a GB and a half.
MAX_VIDEO_PIXELS = 8192 * 4608
_USUAL_FPS = 25.0
# Containers with an index and a time for each frame. The clock of a transport or program stream may start again.
_JUMPABLE = ("mov", "matroska")
# Containers that number packets as they are decoded, and codecs whose packets do not say where a picture is shown.
_UNORDERED, _REORDERING = ("avi", "mxf"), ("h264", "hevc")
# Nearer moments are read up to from the first frame.
_FAR_US = 20_000_000
# A jump is aimed ahead of the wanted moment: frames may need others from before their key frame.
_LEAD_US = 5_000_000
# The last frame shown is among so many packets at the end of a file.
_MOST_REORDERED = 64


class VideoReader:
    """Iterates over a video's frame times; `pixels()` gives the frame the iterator stands at.

    Attributes:
      height: of the upright frame as it is shown, pixels.
      width: of the upright frame as it is shown, pixels: other than stored where pixels are not square.
      period_us: usual distance of two frames, microseconds.
      start_us: time of the first frame, microseconds.
      promised_us: where the container's header says that the video ends; 0 where it says nothing.
      names: codec and container.
      sizes: (width, height) of the stored frames so far.
      errors_us: a time for each packet that was found damaged so far, that of the last frame before it.
      complaints: what FFmpeg says is wrong with the container, as far as it looks ahead on opening it.
      repaired_times: timestamps that were not believed so far.

    Raises:
      UnreadableError: on construction, when the file gives no frame that can be shown.
    """

    def __init__(self, path: str):
        self._path = path
        heard().clear()
        self._container, self._stream = containers.open_video(path)
        self.names = containers.names(self._container, self._stream)
        # FFmpeg looks at the first megabytes here. What its decoders say of them they say again.
        demuxer = self._container.format.name
        self.complaints = [text.strip() for _, name, text in complaints(self._stream.index) if name == demuxer]
        self._origin_us = self._container.start_time or 0
        self.promised_us = self._container.duration or 0
        if self._container.format.name.startswith("matroska"):  # Its length is where it ends.
            self.promised_us = max(0, self.promised_us - self._origin_us)
        rate = self._stream.guessed_rate or Fraction(_USUAL_FPS)
        self.period_us = round(1_000_000 / rate if Fraction(1, 100) <= rate <= 1000 else 1_000_000 / _USUAL_FPS)
        self.sizes: dict[tuple[int, int], None] = {}
        self.errors_us: list[int] = []
        self._keys_us: list[int] = []
        self._clock = Clock(self.period_us)
        assert self._stream.time_base is not None  # It is of a container.
        self._tick = (1_000_000 * self._stream.time_base).as_integer_ratio()
        self._in_turn = 1
        self._turns = self._timed()
        try:
            _require_usable_size(self._stream.codec_context.height or 1, self._stream.codec_context.width or 1)
            first = next(filter(None, self._turns), None)
            if first is None:
                raise UnreadableError("no frame can be decoded", f"({self.names})")
            self.start_us, self._current = first[0]
            self._time_us = self.start_us
            self._measure(self._current)
            self._converter = Converter(self._current)
        except BaseException:
            self.close()
            raise
        self._turns = itertools.chain([first], self._turns)
        self._in_turn = frames_in_turn(self.height, self.width)

    def _measure(self, frame: VideoFrame) -> None:
        require_standard_range(frame, self.names)
        ratio = self._stream.sample_aspect_ratio or Fraction(1)
        width = round(frame.width * ratio) if Fraction(1, 8) <= ratio <= 8 else frame.width
        _require_usable_size(frame.height, max(width, frame.width))
        self.height, self.width = frame.height, width
        if orientation_of(frame).transposed:
            self.height, self.width = width, frame.height

    def start_before(self, time_us: int) -> None:
        """Lets the iteration begin at or before a moment instead of at the first frame, where that is far away.

        To be called before the first frame is read. Frames and times stay the same, bit for bit. Only times of
        damaged files may differ: a wrong clock before the landing is not seen.

        Args:
          time_us: microseconds.
        """
        if time_us < self.start_us + _FAR_US or not self._container.format.name.startswith(_JUMPABLE):
            return
        self._container.seek(
            (self._origin_us + time_us - _LEAD_US) * self._tick[1] // self._tick[0], stream=self._stream
        )
        self._turns = self._timed(jumped=True)
        first = next(filter(None, self._turns), None)
        if first is not None and first[0][0] <= time_us - _LEAD_US // 2:
            self._turns = itertools.chain([first], self._turns)
        else:  # It has no index after all.
            self._container.close()
            self._container, self._stream = containers.open_video(self._path)
            self._turns = self._timed()

    def __iter__(self) -> Iterator[int]:
        """Yields each frame's time in microseconds, increasing but in damaged files (see `Clock`)."""
        for turn in without_fields(self._turns):
            for time_us, frame in turn:
                self._time_us, self._current = time_us, frame
                self.sizes[frame.width, frame.height] = None
                yield time_us

    def later(self) -> Callable[[], np.ndarray]:
        """What gives the current frame's pixels, also when the iteration has gone on."""
        return functools.partial(self._converter.pixels, self._current)

    def pixels(self) -> np.ndarray:
        """The current frame, uint8 [H, W, 3] BGR, upright; of the stored size, whatever the shape of its pixels."""
        return self._converter.pixels(self._current)

    @property
    def repaired_times(self) -> int:
        return self._clock.repairs

    def key_before(self, time_us: int) -> int:
        """Time of the last key frame at or before a moment, from which on damage is seen; 0 where none was met."""
        place = bisect.bisect_right(self._keys_us, time_us)
        return self._keys_us[place - 1] if place else 0

    @property
    def shown_until_us(self) -> int:
        """Where the current frame ends, should none follow."""
        return self._end_us(self._time_us, self._us(self._current.duration))

    def duration_us(self) -> int:
        """Where the last picture ends, microseconds: by the packets that are there, whatever the header says."""
        clock, ends = Clock(self.period_us), collections.deque([self.start_us + self.period_us], _MOST_REORDERED)
        container, stream = containers.open_video(self._path)
        with container:
            for packet in packets(container, stream):
                if packet is not None and packet.size and not packet.is_discard:
                    stamp = packet.pts if packet.pts is not None else packet.dts
                    time_us = clock.time_us(None if stamp is None else self._us(stamp) - self._origin_us)
                    ends.append(self._end_us(time_us, self._us(packet.duration or 0)))
        return max(ends)

    def container_faults(self) -> list[tuple[str, str]]:
        """Kind and detail of each that FFmpeg does not see, see `container_checks`. Reads the whole file."""
        try:
            return container_faults(self._path, self._container.format.name)
        except OSError as error:
            raise UnreadableError("cannot be read", f"({error.strerror or error})") from error

    def close(self) -> None:
        self._container.close()

    def _timed(self, *, jumped: bool = False) -> Iterator[list[TimedFrame]]:
        turns = self._stamped(jumped)
        reordered = self._container.format.name in _UNORDERED and self._stream.codec_context.name in _REORDERING
        return with_sorted_times(turns) if reordered else turns

    def _stamped(self, jumped: bool) -> Iterator[list[TimedFrame]]:
        """All frames from where the container stands. After a jump those before a key frame may lack what they need."""
        self._clock, settled = Clock(self.period_us), not jumped
        time_of, us = self._clock.time_us, self._us
        for turn in decoded_in_turn(self._container, self._stream, lambda: self._in_turn):
            timed: list[TimedFrame] = []
            for frames, failed in turn:
                if failed and (settled or frames is None):
                    self._note_error()
                for frame in frames or ():
                    if (stamp := frame.pts) is None:
                        stamp = frame.dts
                    time_us = time_of(None if stamp is None else us(stamp) - self._origin_us)
                    if frame.key_frame:
                        settled = True
                        self._keys_us.append(time_us)
                    if frame.is_corrupt and settled and not failed:
                        self._note_error()
                    timed.append((time_us, frame))
            yield timed

    def _note_error(self) -> None:
        self.errors_us.append(max([self._clock.last_us, *self.errors_us[-1:]]))

    def _us(self, ticks: int) -> int:
        """Ticks of the stream to microseconds, by integers: a `Fraction` takes a tenth of a small frame's decoding."""
        numerator, denominator = self._tick
        return (2 * ticks * numerator + denominator) // (2 * denominator)

    def _end_us(self, time_us: int, length_us: int) -> int:
        """A length that is missing or absurd is the usual one, and none leads past the header's end."""
        length_us = length_us if length_us <= LONGEST_STEP_US else 0
        return time_us + max(self.period_us, min(length_us, self.promised_us - time_us))


def _require_usable_size(height: int, width: int) -> None:
    if min(height, width) < 1 or height * width > MAX_VIDEO_PIXELS:
        raise UnreadableError("unusable size", f"({width}x{height})")
