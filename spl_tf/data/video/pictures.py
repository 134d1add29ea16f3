"""From decoded frames to upright pictures: fields, colours, transparency, orientation."""

import collections
import dataclasses
import functools
import heapq
import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from spl_tf.data.video.errors import UnreadableError

# Transparent pixels show this grey level, as web pages do.
BACKGROUND = 255
# H.264 and HEVC keep no more pictures back.
_MOST_REORDERED = 16
# glibc's highest threshold is 32 MiB.
_LARGEST_KEPT = 31 << 20
# Transfer functions of ITU-T H.273, table 3, whose values shown as they are would be a dull picture.
_HDR = {16: "PQ", 18: "HLG"}

# When a decoded frame begins, microseconds, and the frame. Plain: there is one for each frame that is passed over, too.
TimedFrame = tuple[int, VideoFrame]


def require_standard_range(frame: VideoFrame, names: str) -> None:
    """Raises UnreadableError for high dynamic range, which to map to 8 bits well is a question of taste."""
    if (curve := _HDR.get(int(frame.color_trc))) is not None:
        raise UnreadableError(
            "high dynamic range", f"({curve}, {names}: fetch the standard version, or map it to BT.709 with ffmpeg)"
        )


class Converter:
    """Frames of one video to uint8 [H, W, 3] BGR, turned upright as the first of them is.

    The colour matrix and range are those that the frame is marked with, BT.601 and limited where it is not: what
    FFmpeg does. Transparent pixels lie on white.

    Raises:
      UnreadableError: FFmpeg cannot convert a frame.
    """

    def __init__(self, first: VideoFrame):
        _keep_freed_memory()
        self._orientation = orientation_of(first)
        self._reformatter = VideoReformatter()
        self._forms: dict[str, tuple[str, int]] = {}

    def pixels(self, frame: VideoFrame) -> np.ndarray:
        """The frame, which may share its memory with nothing but this array."""
        name = frame.format.name
        if name not in self._forms:
            transparent = any(component.is_alpha for component in frame.format.components)
            self._forms[name] = ("bgra", 4) if transparent else ("bgr24", 3)
        form, channels = self._forms[name]
        try:
            converted = self._reformatter.reformat(frame, format=form, threads=1)
            if converted is frame:
                pixels = converted.to_ndarray()
            else:  # In the memory it has, without a copy.
                (plane,) = converted.planes
                shape, strides = (converted.height, converted.width, channels), (plane.line_size, channels, 1)
                pixels = np.ndarray(shape, np.uint8, cast("memoryview[int]", plane), 0, strides)
        except (av.FFmpegError, ValueError) as error:
            raise UnreadableError("frames of unknown form", f"({frame.format.name})") from error
        return self._orientation.applied_to(pixels if channels == 3 else on_background(pixels))


@functools.cache
def _keep_freed_memory() -> None:
    """Lets glibc hold what a picture leaves for the next one.

    It returns freed blocks to the system at once, until a larger one of its own mapping was freed (mallopt(3),
    M_MMAP_THRESHOLD): each picture of 1280 x 720 then costs hundreds of page faults.
    """
    np.empty(_LARGEST_KEPT, np.uint8)


def on_background(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] BGR and alpha -> uint8 [H, W, 3] on `BACKGROUND`."""
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + BACKGROUND * (255 - alpha) + 127) // 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Orientation:
    """How a stored picture is turned to be shown: transposed first, then mirrored."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    def applied_to(self, pixels: np.ndarray) -> np.ndarray:
        pixels = cv2.transpose(pixels) if self.transposed else pixels
        if not (self.mirrored_x or self.mirrored_y):
            return pixels
        return cv2.flip(pixels, -1 if self.mirrored_x and self.mirrored_y else int(self.mirrored_x))


def orientation_of(frame: VideoFrame) -> Orientation:
    """By the frame's display matrix: x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 8.3.2), to the nearest turn."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(cast(bytes, data), np.int32).tolist()
    if abs(b) > abs(a):
        return Orientation(True, mirrored_x=c < 0, mirrored_y=b < 0)
    return Orientation(False, mirrored_x=a < 0, mirrored_y=d < 0)


def with_sorted_times(turns: Iterable[list[TimedFrame]]) -> Iterator[list[TimedFrame]]:
    """Deals the frames' times to them in ascending order, where they are those of the order of decoding."""
    waiting, times = collections.deque[VideoFrame](), list[int]()
    for turn in turns:
        for time_us, frame in turn:
            waiting.append(frame)
            heapq.heappush(times, time_us)
        yield [(heapq.heappop(times), waiting.popleft()) for _ in range(len(waiting) - _MOST_REORDERED)]
    yield list(zip(sorted(times), waiting, strict=True))


def without_fields(turns: Iterable[list[TimedFrame]]) -> Iterator[list[TimedFrame]]:
    """Deinterlaces the frames that are marked as fields; times and number of frames stay.

    By bwdif, which keeps the full height of what stands still as yadif does, has fewer steps along edges, and
    like it needs but the frames before and after: so a frame's bits are the same wherever reading began.
    Until the first such frame all pass untouched.
    """
    turns = iter(turns)
    before: list[TimedFrame] = []
    for turn in turns:
        for place, (_, frame) in enumerate(turn):
            if frame.interlaced_frame:
                before = [*before, *turn[:place]][-1:]
                yield turn[:place]
                filtered = _deinterlaced(itertools.chain(before, turn[place:], itertools.chain.from_iterable(turns)))
                # The one before was shown as it is.
                yield from ([timed] for timed in itertools.islice(filtered, len(before), None))
                return
        before = turn[-1:] or before
        yield turn


def _deinterlaced(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    for form, alike in itertools.groupby(frames, lambda timed: _form(timed[1])):
        graph, inside = _deinterlacer(*form), collections.deque[TimedFrame]()
        for timed in alike:
            inside.append(timed)
            graph.push(timed[1])
            yield from _pulled(graph, inside)
        graph.push(None)
        yield from _pulled(graph, inside)


def _form(frame: VideoFrame) -> tuple[int, int, str, Fraction]:
    assert frame.time_base is not None  # It has been decoded.
    return frame.width, frame.height, frame.format.name, frame.time_base


def _deinterlacer(width: int, height: int, form: str, time_base: Fraction) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format=VideoFormat(form), time_base=time_base)
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _pulled(graph: Graph, inside: collections.deque[TimedFrame]) -> Iterator[TimedFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, VideoFrame)
        time_us, pushed = inside.popleft()
        frame.duration = pushed.duration
        yield time_us, frame
