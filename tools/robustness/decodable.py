"""How much of a video file can be decoded, by the reader of spl_tf.shard."""

import contextlib
import dataclasses

import cv2

from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.reader import VideoReader


@dataclasses.dataclass(frozen=True)
class Decoded:
    """How many frames a video gives, damaged ones among them, and why it gives none, else empty."""

    frames: int
    fault: str = ""


def decode(path: str) -> Decoded:
    """Decodes a video to its end: one whose decoder crashes on the last frame gives no clip either."""
    cv2.setNumThreads(1)  # There is a worker per core.
    frames = 0
    try:
        with contextlib.closing(VideoReader(path)) as reader:
            for _ in reader:
                reader.pixels()
                frames += 1
    except UnreadableError as error:
        return Decoded(0, str(error))
    except cv2.error as error:
        return Decoded(0, f"decoder error ({' '.join(str(error).split())})")
    return Decoded(frames)
