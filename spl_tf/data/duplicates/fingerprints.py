"""What a video shows, small enough to compare 300,000 of them: a few grey pictures at relative moments.

Relative moments make a video and its copy at another speed or frame rate alike. Each picture is a
mean over its share of the running time, which a frame more or less, and the noise of an encoder,
hardly change. Black bars around the picture are cut off first.
"""

import dataclasses

import cv2
import numpy as np

from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.reader import VideoReader

VERSION = 1
MOMENTS = 16
SIDE = 32
_SAMPLES_PER_MOMENT = 8
_LONG_SIDE = 128
# Grey levels: codecs leave some noise in black bars; and what must follow a bar within three pixels.
_BLACK = 16
_EDGE = 24
_LEAST_SHARE_OF_SIDE = 0.2
# Relative moments are wrong by more than the header is: beyond this a second reading is worth its time.
_TOLERATED_ERROR = 0.005
_LONG_PAUSE_US = 250_000


@dataclasses.dataclass(frozen=True)
class Interval:
    """A job: the part of a video file, in seconds, that is looked at."""

    path: str
    start_seconds: float
    end_seconds: float


def fingerprint(interval: Interval) -> np.ndarray | None:
    """Grey pictures of a video, uint8 [MOMENTS, SIDE, SIDE]; None where it cannot be decoded.

    Why it cannot is said when it is cut.
    """
    cv2.setNumThreads(1)  # There is a worker per core.
    try:
        return _fingerprint(interval)
    except (UnreadableError, cv2.error):
        return None


def _fingerprint(interval: Interval) -> np.ndarray | None:
    reader = VideoReader(interval.path)
    promised_us = min(float(reader.duration_us()), interval.end_seconds * 1e6)
    reader.close()
    frames, end_us = _sample(interval, promised_us)
    if abs(end_us - promised_us) > _TOLERATED_ERROR * end_us:
        frames, _ = _sample(interval, end_us)
    if not frames:
        return None
    return _pictures(np.stack(frames))


def _sample(interval: Interval, end_us: float) -> tuple[list[np.ndarray], float]:
    """Small grey frames at evenly spaced moments up to `end_us`, and where the interval really ends, microseconds.

    The frame of a moment is the last one that began. A moment behind the end has the last frame.
    """
    start_us, limit_us = interval.start_seconds * 1e6, interval.end_seconds * 1e6
    count = MOMENTS * _SAMPLES_PER_MOMENT
    targets = start_us + (np.arange(count) + 0.5) / count * (end_us - start_us)
    frames: list[np.ndarray] = []
    if end_us <= start_us:
        return frames, end_us
    reader = VideoReader(interval.path)
    reader.start_before(round(start_us))
    frame: np.ndarray | None = None
    time_us = 0
    for time_us in reader:
        if frame is not None:
            while len(frames) < count and targets[len(frames)] < time_us:
                frames.append(frame)
        if time_us >= limit_us:
            break
        # A frame that is surely followed by another one before the next moment is not converted.
        if len(frames) < count and targets[len(frames)] < time_us + max(2 * reader.period_us, _LONG_PAUSE_US):
            frame = _small_grey(reader.pixels())
    reader.close()
    if frame is not None:
        frames += [frame] * (count - len(frames))
    return frames, min(time_us + reader.period_us, limit_us)


def _small_grey(frame: np.ndarray) -> np.ndarray:
    """uint8 [h, w], the longer side at most _LONG_SIDE pixels."""
    scale = min(1.0, _LONG_SIDE / max(frame.shape[:2]))
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    return cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)


def _pictures(frames: np.ndarray) -> np.ndarray:
    """Cuts bars off [MOMENTS * _SAMPLES_PER_MOMENT, h, w] and averages, uint8 [MOMENTS, SIDE, SIDE]."""
    top, bottom = _without_bars(np.percentile(frames, 98, axis=(0, 2)))
    left, right = _without_bars(np.percentile(frames, 98, axis=(0, 1)))
    frames = frames[:, top:bottom, left:right].astype(np.float32)
    means = frames.reshape(MOMENTS, _SAMPLES_PER_MOMENT, *frames.shape[1:]).mean(axis=1)
    pictures = [cv2.resize(mean, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for mean in means]
    return np.rint(pictures).astype(np.uint8)


def _without_bars(brightness: np.ndarray) -> tuple[int, int]:
    """First and last + 1 of the rows (or columns) inside black bars; all of them when little would be left.

    A bar ends with an edge: a dark scene that fades to black has none, and where it is cut would be chance.
    """
    first, last = _bar(brightness), len(brightness) - _bar(brightness[::-1])
    return (first, last) if last - first >= _LEAST_SHARE_OF_SIDE * len(brightness) else (0, len(brightness))


def _bar(brightness: np.ndarray) -> int:
    """Width of the bar at the beginning."""
    lit = np.flatnonzero(brightness > _BLACK)
    width = int(lit[0]) if len(lit) else 0
    return width if brightness[width : width + 3].max() > _BLACK + _EDGE else 0
