"""Sizes of the stored frames; frames scaled and encoded, a few in turn."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from spl_tf.data.video.errors import UnreadableError

_MAX_PIXELS = 100_000_000
_MAX_JPEG_SIDE = 65_500
# A processor's cache holds the code of reading, of decoding, of scaling or of JPEG: each takes less time several times
# in a row, unless the frames themselves fill the cache.
_MOST_IN_TURN = 8
_PIXELS_IN_TURN = 8 * 320 * 240


def frames_in_turn(height: int, width: int) -> int:
    """How many frames of a size are best decoded, or scaled, before any is used."""
    return max(1, min(_MOST_IN_TURN, _PIXELS_IN_TURN // (height * width)))


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width with the given short side, the aspect kept to the nearest pixel."""
    scale = short_side / min(height, width)
    size = (max(short_side, round(height * scale)), max(short_side, round(width * scale)))
    if max(size) > _MAX_JPEG_SIDE or size[0] * size[1] > _MAX_PIXELS:
        raise UnreadableError("unusable size", f"({width}x{height})")
    return size


def scaled(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scales a frame, uint8 [H, W, 3]: area filter to shrink, bilinear to enlarge."""
    if frame.shape[:2] == (height, width):
        return frame
    shrinks = height * width < frame.shape[0] * frame.shape[1]
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def scaled_in_turn(pictures: Sequence[Callable[[], np.ndarray]], height: int, width: int) -> list[np.ndarray]:
    """Converts some frames, [H, W, 3] BGR each, then scales them."""
    frames = [pixels() for pixels in pictures]
    return [scaled(frame, height, width) for frame in frames]


def encoded(frame: np.ndarray, jpeg_quality: int) -> bytes:
    """The JPEG file of a frame, [H, W, 3] BGR."""
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])[1].tobytes()
