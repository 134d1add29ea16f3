"""Writes videos of any codec and container with PyAV; frames carry their number."""

import pathlib
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

WIDTH, HEIGHT = 160, 120
_BITS = 12


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 [H, W, 3] BGR: twelve blocks that say the number, lighter where the bit is 1, and their opposites below."""
    bits = np.reshape([number >> bit & 1 for bit in range(_BITS)], (2, 6))
    blocks = np.where(np.concatenate([bits, 1 - bits]), 200, 50).astype(np.uint8)
    return cv2.cvtColor(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST), cv2.COLOR_GRAY2BGR)


def number_of(picture: np.ndarray | bytes) -> int:
    """The number a frame, or its JPEG file, carries; asserts that it is readable."""
    if isinstance(picture, bytes):
        picture = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (6, 4), interpolation=cv2.INTER_AREA).astype(int)
    contrast = grey[:2] - grey[2:]
    assert abs(contrast).min() > 60, grey
    return sum(int(value > 0) << bit for bit, value in enumerate(contrast.flat))


def write(
    path: pathlib.Path,
    pictures: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    rate: Fraction | int = 25,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    interlaced: Callable[[int], bool] = lambda number: False,
    prepare: Callable[[av.video.stream.VideoStream], None] = lambda stream: None,
) -> None:
    """Encodes pictures, uint8 [H, W, 3] BGR or [H, W, 4] with alpha.

    Args:
      path: its suffix decides the container.
      pictures: of one size.
      codec: FFmpeg's name of the encoder.
      rate: frames per second.
      pixel_format: of the encoder.
      options: of the encoder.
      stamps: presentation times in `time_base` instead of a constant rate.
      time_base: seconds, of `stamps`.
      interlaced: whether the frame of a number is marked as two fields, the upper first.
      prepare: sets properties of the stream.
    """
    with av.open(str(path), "w") as container:
        stream = None
        for place, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixel_format
                prepare(stream)
            frame = av.VideoFrame.from_ndarray(picture, "bgra" if picture.shape[2] == 4 else "bgr24")
            frame = frame.reformat(format=pixel_format)
            if stamps is not None:
                frame.pts, frame.time_base = stamps[place], time_base
            else:
                frame.pts, frame.time_base = place, 1 / Fraction(rate)
            frame = _as_fields(frame) if interlaced(place) else frame
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode(None))


def _as_fields(frame: av.VideoFrame) -> av.VideoFrame:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.pull()


def write_numbered(path: pathlib.Path, count: int, *, size: tuple[int, int] = (WIDTH, HEIGHT), **options) -> None:
    write(path, (numbered(number, *size) for number in range(count)), **options)
