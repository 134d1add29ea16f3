"""What a video shows, small enough to compare 300,000 of them: small grey pictures, four for each second.

A fixed rate, not relative moments: the pictures of a piece are the same wherever the piece lies, so a copy with
its beginning cut off, or one inside a longer upload, has them too. Each picture is a mean over half a second with
weights that fall off to both sides: between two of them others can be interpolated, and a frame more or less, or
the noise of an encoder, hardly changes them. Black and white bars are cut off first, of each picture its own: what is
so for seconds around it. A card in front of a film has none, and wherever a piece lies, its bars are the same.
"""

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np

from spl_tf.data.file_kinds import is_image
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.frame_folder import Reader, open_reader
from spl_tf.data.video.images import read_image

VERSION = 5
RATE = 4
SIDE = 16
_SAMPLES_PER_PICTURE = 4
# Weights of the samples around a picture's own, before and behind: about a Gaussian of 0.16 s.
_WEIGHTS = np.hanning(14)[1:-1].astype(np.float32)
_MARGIN = (len(_WEIGHTS) - _SAMPLES_PER_PICTURE) // 2
_PICTURES_PER_BLOCK = 64
_LONG_SIDE = 128
# Of 255 levels from dark to bright: codecs leave some noise in bars; and what must follow a bar within three pixels.
_BLACK = 16
_EDGE = 24
# Grey levels: a video of fewer is flat, not pale.
_LEAST_RANGE = 64
_LEAST_SHARE_OF_SIDE = 0.2
# Pictures: what is black for less is no bar but a dark moment.
_LEAST_RUN = 3 * RATE
# What gives less than this of the length that its header promises is damaged.
_LEAST_SHARE_OF_LENGTH = 0.9


@dataclasses.dataclass(frozen=True)
class Interval:
    """A job: the part of a video file, in seconds, that is looked at; of a folder of frames with their rate."""

    path: str
    start_seconds: float
    end_seconds: float
    frames_fps: float | None = None


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """What is kept of a video.

    Attributes:
      pictures: grey, uint8 [T, SIDE, SIDE], RATE for each second.
      is_damaged: the decoder met damage, or it gives less than its header promises.
    """

    pictures: np.ndarray
    is_damaged: bool


def fingerprint(interval: Interval) -> Fingerprint | None:
    """Grey pictures of a video, read once from end to end; None where it cannot be decoded.

    Why it cannot is said when it is cut. Memory: a block of seconds as frames, and 1 KB for each second.
    """
    cv2.setNumThreads(1)  # There is a worker per core.
    try:
        return _fingerprint(interval)
    except (UnreadableError, cv2.error):
        return None


def can_be_opened(interval: Interval) -> bool:
    """Whether a file gives a picture, as the video or the image that its name says it is."""
    try:
        if is_image(interval.path):
            read_image(interval.path, 1)
        else:
            open_reader(interval.path, interval.frames_fps).close()
    except (UnreadableError, cv2.error):
        return False
    return True


def _fingerprint(interval: Interval) -> Fingerprint | None:
    reader = open_reader(interval.path, interval.frames_fps)
    try:
        pictures = list(_pictures(_samples(reader, interval)))
        ended_us, promised_us = reader.shown_until_us, min(float(reader.promised_us), interval.end_seconds * 1e6)
        is_damaged = bool(reader.errors_us) or ended_us < _LEAST_SHARE_OF_LENGTH * promised_us
    finally:
        reader.close()
    return Fingerprint(np.concatenate(pictures), is_damaged) if pictures else None


def _samples(reader: Reader, interval: Interval) -> Iterator[np.ndarray]:
    """Small grey frames at evenly spaced moments: at each the last frame that began."""
    next_us, limit_us = interval.start_seconds * 1e6, interval.end_seconds * 1e6
    step_us = 1e6 / (RATE * _SAMPLES_PER_PICTURE)
    reader.start_before(round(next_us))
    frame: np.ndarray | None = None
    for time_us in reader:
        while frame is not None and next_us < min(time_us, limit_us):
            yield frame
            next_us += step_us
        if time_us >= limit_us:
            return
        if frame is None:
            next_us = max(next_us, time_us) + step_us / 2
        # A frame that is surely followed by another one before the next moment is not converted.
        if frame is None or next_us < time_us + 2 * reader.period_us:
            frame = _small_grey(reader.pixels())
    while frame is not None and next_us < min(reader.shown_until_us, limit_us):
        yield frame
        next_us += step_us


def _small_grey(frame: np.ndarray) -> np.ndarray:
    """uint8 [h, w], the longer side at most _LONG_SIDE pixels."""
    scale = min(1.0, _LONG_SIDE / max(frame.shape[:2]))
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    return cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)


def _pictures(samples: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks of pictures, uint8 [n, SIDE, SIDE]."""
    kept: list[np.ndarray] = []
    before = 0  # Pictures of the block before, which tell the first ones' bars.
    for sample in samples:
        kept.append(sample if not kept or sample.shape == kept[0].shape else cv2.resize(sample, kept[0].shape[::-1]))
        if len(kept) == _SAMPLES_PER_PICTURE * (before + _PICTURES_PER_BLOCK + _LEAST_RUN):
            means = _means(np.stack(kept))
            yield _without_bars(means)[before : before + _PICTURES_PER_BLOCK]
            kept = kept[-2 * _SAMPLES_PER_PICTURE * _LEAST_RUN :]
            before = _LEAST_RUN
    if kept:
        yield _without_bars(_means(np.stack(kept)))[before:]


def _means(samples: np.ndarray) -> np.ndarray:
    """Pictures of [n, h, w], each a weighted mean around its moment, float32 [T, h, w]."""
    count = max(1, round(len(samples) / _SAMPLES_PER_PICTURE))
    weights = np.zeros((count, len(samples) + 2 * len(_WEIGHTS) + _SAMPLES_PER_PICTURE), np.float32)
    for number in range(count):
        begin = number * _SAMPLES_PER_PICTURE - _MARGIN + len(_WEIGHTS)
        weights[number, begin : begin + len(_WEIGHTS)] = _WEIGHTS
    weights = weights[:, len(_WEIGHTS) : len(_WEIGHTS) + len(samples)]
    weights /= weights.sum(axis=1, keepdims=True)
    return np.tensordot(weights, samples.astype(np.float32), axes=1)


def _without_bars(means: np.ndarray) -> np.ndarray:
    """What [T, h, w] show inside their bars, white ones outside of black ones, uint8 [T, SIDE, SIDE]."""
    # The bars of a paler or brighter copy are grey: the darkest level of half a minute is black.
    low, high = np.percentile(means, (0.5, 99.5))
    darkened = (means - low) * (255 / max(high - low, _LEAST_RANGE))
    for picture, white in zip(darkened, _insides(255 - darkened), strict=True):
        inside = picture[white].copy()
        picture[:] = 0
        picture[white] = inside
    shown = (mean[inside] for mean, inside in zip(means, _insides(darkened), strict=True))
    pictures = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in shown]
    return np.rint(pictures).astype(np.uint8)


def _insides(means: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Rows and columns inside the black bars of each of [T, h, w]."""
    rows, columns = (_lasting(np.percentile(means, 98, axis=axis)) for axis in (2, 1))
    for row, column in zip(rows, columns, strict=True):
        yield slice(*_inside(row)), slice(*_inside(column))


def _lasting(brightness: np.ndarray) -> np.ndarray:
    """Brightness of rows (or columns), [T, h], where dark moments are filled.

    Each moment has the highest of those _LEAST_RUN successive ones around it that are darkest.
    """
    run = min(_LEAST_RUN, len(brightness))
    highest = np.lib.stride_tricks.sliding_window_view(brightness, run, axis=0).max(axis=-1)
    highest = np.pad(highest, ((run - 1, run - 1), (0, 0)), constant_values=np.inf)
    return np.lib.stride_tricks.sliding_window_view(highest, run, axis=0).min(axis=-1)


def _inside(brightness: np.ndarray) -> tuple[int, int]:
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
