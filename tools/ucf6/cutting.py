"""Frames of UCF101 files, scaled to 160x120, and the cuts of them that make an upload."""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from tools.ucf6.plan import Segment

WIDTH = 160
HEIGHT = 120
UPLOAD_FPS = 25

# In frames: a time this little before a frame's start means that frame (sums of decimal fractions are not exact).
_TOLERANCE = 1e-3


Sources = dict[str, pathlib.Path]
"""UCF101's files by their names."""


class UnusableSourceError(Exception):
    """A UCF101 file is missing, gives no frames, or fewer than a cut needs. The message starts with its name."""


def read_scaled(file_name: str, sources: Sources, seconds: float = np.inf) -> tuple[np.ndarray, float]:
    """Reads a file from its first frame on.

    Args:
      file_name: of UCF101, so its frame rate is constant.
      sources: where the files are.
      seconds: where to stop; the frame shown then is the last.

    Returns:
      uint8 [T, 120, 160, 3] in OpenCV's channel order, and frames per second.

    Raises:
      UnusableSourceError: it is missing or gives no frame.
    """
    if file_name not in sources:
        raise UnusableSourceError(f"{file_name} is missing")
    capture = cv2.VideoCapture(str(sources[file_name]))
    frame_rate = capture.get(cv2.CAP_PROP_FPS)
    frames = []
    while len(frames) <= seconds * frame_rate + _TOLERANCE:
        decoded, frame = capture.read()
        if not decoded:
            break
        frames.append(cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
    capture.release()
    if not frames:
        raise UnusableSourceError(f"{file_name} cannot be decoded")
    return np.stack(frames), frame_rate


def seconds_of(path: pathlib.Path) -> float:
    """Length of a video by its header."""
    video = cv2.VideoCapture(str(path))
    seconds = video.get(cv2.CAP_PROP_FRAME_COUNT) / video.get(cv2.CAP_PROP_FPS)
    video.release()
    return seconds


def cut_upload(segments: Sequence[Segment], sources: Sources) -> np.ndarray:
    """Joins cuts at 25 frames per second: uint8 [T, 120, 160, 3].

    Frame k shows what the cut that holds k/25 s shows then, so the cuts' borders stay where the lengths put them,
    with no rounding piled up.

    Raises:
      UnusableSourceError: a file is missing, cannot be decoded or ends before its cut.
    """
    pieces = []
    begin = 0.0
    for segment in segments:
        end = begin + segment.length
        ticks = np.arange(_first_tick(begin), _first_tick(end))
        pieces.append(_frames_at(segment.source, sources, segment.start - begin + ticks / UPLOAD_FPS))
        begin = end
    return np.concatenate(pieces)


def _first_tick(seconds: float) -> int:
    """The first frame of the upload at or after a time."""
    return int(np.ceil(seconds * UPLOAD_FPS - _TOLERANCE))


def _frames_at(file_name: str, sources: Sources, times: np.ndarray) -> np.ndarray:
    """The frame shown at each time in seconds, the last one also for one frame's length after the end."""
    frames, frame_rate = read_scaled(file_name, sources, times[-1])
    shown = np.floor(times * frame_rate + _TOLERANCE).astype(int)
    if shown[-1] > len(frames):
        raise UnusableSourceError(f"{file_name} ends after {len(frames) / frame_rate:.2f} s, not {times[-1]:.2f}")
    return frames[np.minimum(shown, len(frames) - 1)]
