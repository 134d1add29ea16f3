"""Frames of a video file with their times, one after the other.

OpenCV's seek is inexact with B-frames and variable frame rates, so times come from
the container's timestamps, also after a jump (see `spl_tf.data.video.seeking`). Rotation
flags are honoured by OpenCV itself.
"""

import itertools
import math
import os
from collections.abc import Iterator

import cv2
import numpy as np

from spl_tf.data.video import interlaced, seeking
from spl_tf.data.video.frame_times import frame_times

MAX_PIXELS = 100_000_000
MAX_JPEG_SIDE = 65_500
_USUAL_FPS = 25.0


class UnreadableError(Exception):
    """A file gives no clip. `kind` is the reason that is counted, `detail` says more about this file."""

    def __init__(self, kind: str, detail: str = ""):
        super().__init__(f"{kind} {detail}".strip())
        self.kind = kind
        self.detail = detail


class VideoReader:
    """Iterates over a video's frame times; `pixels()` gives the frame the iterator stands at.

    Attributes:
      height: of the upright frame, pixels.
      width: of the upright frame, pixels.
      period_us: usual distance of two frames, microseconds.

    Raises:
      UnreadableError: on construction, when the file cannot be opened as a video.
    """

    def __init__(self, path: str):
        _require_readable(path)
        self._path = path
        self._landing: tuple[float, float] | None = None
        self._first: np.ndarray | None = None
        self._may_be_stuck = interlaced.cannot_convert_fields()
        self._open()
        self.height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        _require_usable_size(self.height, self.width)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        fps = fps if math.isfinite(fps) and 0.01 <= fps <= 1000 else _USUAL_FPS
        self.period_us = round(1e6 / fps)

    def _open(self) -> None:
        # One decoder thread: there is a worker per core, and damaged streams then decode alike everywhere.
        self._capture = cv2.VideoCapture(self._path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not self._capture.isOpened():
            raise UnreadableError("cannot be opened as a video")

    def start_before(self, time_us: int) -> None:
        """Lets the iteration begin at or before a moment instead of at the first frame, where that is far away.

        To be called before the first frame is read. Frames and times stay the same, to the microsecond that two
        roundings may differ by.

        Args:
          time_us: microseconds from the first frame.
        """
        if not seeking.can_jump(self._path, time_us):
            return
        self._landing = seeking.jump_before(self._capture, time_us)
        if self._landing is None:
            self._capture.release()
            self._open()

    def __iter__(self) -> Iterator[int]:
        """Yields each frame's time in microseconds from the first frame, strictly increasing (see `frame_times`)."""
        if self._landing is None:
            return frame_times(self._stamps(), self.period_us)
        first, landed = self._landing
        times = frame_times(itertools.chain([landed], self._stamps()), self.period_us)
        return (round(landed - first) + time_us for time_us in times)

    def _stamps(self) -> Iterator[float]:
        while self._capture.grab():
            yield self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1000

    def pixels(self) -> np.ndarray:
        """The current frame, uint8 [H, W, 3] BGR, upright."""
        ok, frame = self._capture.retrieve()
        if not ok or frame is None or frame.size == 0:
            raise UnreadableError("frame cannot be decoded")
        if self._may_be_stuck:
            self._require_moving(frame)
        return frame if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)

    def _require_moving(self, frame: np.ndarray) -> None:
        """Compares the first two pictures; a video that is still may be one of which OpenCV gives none."""
        if self._first is None:
            self._first = frame.copy()
            return
        self._may_be_stuck = False
        if np.array_equal(frame, self._first) and interlaced.is_interlaced(self._path):
            raise UnreadableError(
                "interlaced video",
                f"(OpenCV {cv2.__version__} cannot convert it: remove the fields, e.g. ffmpeg -vf yadif, or use "
                "OpenCV before 4.13)",
            )

    def duration_us(self) -> int:
        """Length by the header; where that says nothing, by reading to the end (which uses the reader up)."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if math.isfinite(count) and 0 < count < 1e9:
            return round(count * self.period_us)
        return max(self, default=-self.period_us) + self.period_us

    def close(self) -> None:
        self._capture.release()


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width with the given short side, the aspect kept to the nearest pixel."""
    scale = short_side / min(height, width)
    size = (max(short_side, round(height * scale)), max(short_side, round(width * scale)))
    if max(size) > MAX_JPEG_SIDE or size[0] * size[1] > MAX_PIXELS:
        raise UnreadableError("unusable size", f"({width}x{height})")
    return size


def encode_frame(frame: np.ndarray, height: int, width: int, jpeg_quality: int) -> bytes:
    """Scales a frame, [H, W, 3] BGR, and encodes it as JPEG: area filter to shrink, bilinear to enlarge."""
    if frame.shape[:2] != (height, width):
        shrinks = height * width < frame.shape[0] * frame.shape[1]
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])[1].tobytes()


def _require_readable(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise UnreadableError("cannot be read", f"({error.strerror})") from error


def _require_usable_size(height: int, width: int) -> None:
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise UnreadableError("unusable size", f"({width}x{height})")
