"""A folder of frames, one image file each, read like a video file.

The images are numbered without a gap, whatever stands before the number: `img_00001.jpg`, `img_00002.jpg`, ...
Beside the frames, such folders often hold optical flow (`flow_x_00001.jpg`), which is passed over.
"""

import functools
import math
import os
import re
import sys
from collections.abc import Callable, Iterator

import numpy as np

from spl_tf.data.file_kinds import is_image
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.images import read_image
from spl_tf.data.video.reader import VideoReader

_NUMBERED = re.compile(r"(.*?)(\d+)\.\w+")
_FLOW = re.compile(r"(flow|x|y|u|v|flow_x|flow_y)_?", re.IGNORECASE)


class FrameFolder:
    """Iterates over the frames' times; `pixels()` gives the frame the iterator stands at. As `VideoReader`.

    Attributes:
      height: of the frames, pixels.
      width: of the frames, pixels.
      period_us: distance of two frames, microseconds.
      start_us: time of the first frame, microseconds: 0.
      promised_us: where the last frame ends.
      names: what it is.
      sizes: (width, height) of the frames; there is one.
      errors_us: empty, since a damaged frame is not passed over.
      complaints: empty.
      repaired_times: 0.

    Raises:
      UnreadableError: on construction, when the folder cannot be read or holds no whole series of images.
    """

    def __init__(self, path: str, fps: float):
        self._paths = _frames(path)
        self._fps = fps
        self._place = 0
        self._start = 0
        self.period_us = round(1e6 / fps)
        self.height, self.width = _read(self._paths[0]).shape[:2]
        self.start_us = 0
        self.promised_us = self.duration_us()
        self.names = f"folder of {len(self._paths)} frames"
        self.sizes = {(self.width, self.height): None}
        self.errors_us: list[int] = []
        self.complaints: list[str] = []
        self.repaired_times = 0

    def start_before(self, time_us: int) -> None:
        """Lets the iteration begin at the frame shown at a moment. To be called before the first frame is read.

        Args:
          time_us: microseconds from the first frame.
        """
        # A time is rounded: the frame before may still be the one that is shown.
        self._start = min(max(0, math.floor(time_us * self._fps / 1e6) - 1), len(self._paths) - 1)

    def __iter__(self) -> Iterator[int]:
        """Yields each frame's time in microseconds from the first frame, increasing."""
        for place in range(self._start, len(self._paths)):
            self._place = place
            yield round(place * 1e6 / self._fps)

    def pixels(self) -> np.ndarray:
        """The current frame, uint8 [H, W, 3] BGR, upright.

        Raises:
          UnreadableError: it cannot be decoded, or has another size than the first.
        """
        return self.later()()

    def later(self) -> Callable[[], np.ndarray]:
        """What gives the current frame's pixels, also when the iteration has gone on."""
        return functools.partial(self._pixels, self._paths[self._place])

    def _pixels(self, path: str) -> np.ndarray:
        pixels = _read(path)
        if pixels.shape[:2] != (self.height, self.width):
            size = f"{os.path.basename(path)} {pixels.shape[1]}x{pixels.shape[0]}"
            raise UnreadableError("frames of several sizes", f"({self.width}x{self.height}, {size})")
        return pixels

    def key_before(self, time_us: int) -> int:
        """Each frame stands for itself."""
        return time_us

    @property
    def shown_until_us(self) -> int:
        """Where the current frame ends."""
        return round((self._place + 1) * 1e6 / self._fps)

    def duration_us(self) -> int:
        """Length: each frame is shown for a period."""
        return round(len(self._paths) * 1e6 / self._fps)

    def container_faults(self) -> list[tuple[str, str]]:
        """None: a gap in the numbers is an error, and how many there were is said nowhere."""
        return []

    def close(self) -> None:
        """There is nothing to close: files are open only while they are read."""


Reader = VideoReader | FrameFolder


def open_reader(path: str, frames_fps: float | None) -> Reader:
    """A reader of a video file, or of a folder of frames where their number per second is given.

    Raises:
      UnreadableError: it cannot be read as that.
    """
    return VideoReader(path) if frames_fps is None else FrameFolder(path, frames_fps)


def _read(path: str) -> np.ndarray:
    try:
        return read_image(path, short_side=sys.maxsize)
    except UnreadableError as error:
        raise UnreadableError(error.kind, f"({os.path.basename(path)}) {error.detail}".strip()) from error


def _frames(folder: str) -> list[str]:
    """The image files of the only series that is not flow, in the order of their numbers."""
    try:
        names = [entry.name for entry in os.scandir(folder) if is_image(entry.name)]
    except OSError as error:
        raise UnreadableError("cannot be read", f"({error.strerror or error})") from error
    if not names:
        raise UnreadableError("folder without images")
    series: dict[str, dict[int, str]] = {}
    for name in sorted(names):
        found = _NUMBERED.fullmatch(name)
        if not found:
            raise UnreadableError("frames without numbers", f"({name})")
        numbers = series.setdefault(found[1], {})
        if numbers.setdefault(int(found[2]), name) != name:
            raise UnreadableError("frames of equal numbers", f"({numbers[int(found[2])]}, {name})")
    pictures = [prefix for prefix in series if not _FLOW.fullmatch(prefix)] or list(series)
    if len(pictures) > 1:
        raise UnreadableError("several series of frames", f"({', '.join(f'{prefix}*' for prefix in pictures[:3])})")
    numbered = series[pictures[0]]
    gap = next((number + 1 for number in sorted(numbered) if number + 1 not in numbered), max(numbered) + 1)
    if gap <= max(numbered):
        raise UnreadableError(
            "frames are missing", f"({len(numbered)} from {min(numbered)} to {max(numbered)}, the first gap at {gap})"
        )
    return [os.path.join(folder, numbered[number]) for number in sorted(numbered)]
