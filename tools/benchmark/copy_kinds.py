"""Copies of a video as uploads show them, and different clips of one scene. Frames are uint8 [T, H, W, 3], BGR."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np

_X264 = ("libx264", {"crf": "26", "preset": "veryfast"})


@dataclasses.dataclass(frozen=True)
class Source:
    """What a copy is made of: frames, their rate, frames of two other uploads, and random numbers of its own."""

    frames: np.ndarray
    fps: float
    others: tuple[np.ndarray, np.ndarray]
    generator: np.random.Generator


@dataclasses.dataclass(frozen=True)
class Copy:
    """What is written. A frame rate of None is the source's."""

    frames: np.ndarray
    fps: float | None = None
    codec: tuple[str, dict[str, str]] = _X264


@functools.lru_cache(128)
def read(path: pathlib.Path) -> tuple[np.ndarray, float]:
    """Frames and their rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return np.stack([frame.to_ndarray(format="bgr24") for frame in container.decode(stream)]), float(
            stream.average_rate
        )


def write(path: pathlib.Path, frames: np.ndarray, fps: float, codec: tuple[str, dict[str, str]] = _X264) -> None:
    """Encodes frames; an odd last row or column is left out."""
    height, width = (side - side % 2 for side in frames.shape[1:3])
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec[0], rate=Fraction(fps).limit_denominator(1001), options=codec[1])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            picture = np.ascontiguousarray(frame[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())


def _each(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Source], Copy]:
    return lambda source: Copy(np.stack([change(frame) for frame in source.frames]))


def _resized(width: int, height: int) -> Callable[[Source], Copy]:
    return _each(lambda frame: cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))


def _faster(source: Source, factor: float, fps: float | None = None) -> Copy:
    places = np.arange(0, len(source.frames), factor).astype(int)
    return Copy(source.frames[np.minimum(places, len(source.frames) - 1)], fps)


def _levels(gain: float, offset: float) -> Callable[[Source], Copy]:
    return _each(lambda frame: np.clip(frame * gain + offset, 0, 255).astype(np.uint8))


def _turned(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return cv2.warpAffine(frame, cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1.08), (width, height))


def _trimmed(source: Source, first: float, last: float) -> np.ndarray:
    return source.frames[round(first * source.fps) : len(source.frames) - round(last * source.fps)]


def _with_card(source: Source, frames: np.ndarray) -> Copy:
    """Three seconds of a title on one colour in front."""
    color = source.generator.integers(0, 256, 3).tolist()
    card = np.full(frames.shape[1:], color, np.uint8)
    at, font = (8, len(card) // 2), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(card, "CHANNEL", at, font, 0.8, [255 - level for level in color], 2)
    return Copy(np.concatenate([np.repeat(card[None], round(3 * source.fps), axis=0), frames]))


def _with_logo(source: Source, frames: np.ndarray) -> np.ndarray:
    """A sign of 3.7 % of the area in one corner."""
    height, width = frames.shape[1:3]
    rows = round((0.6 * 0.037 * height * width) ** 0.5)
    columns = round(0.037 * height * width / rows)
    is_low, is_right, is_white = source.generator.integers(0, 2, 3)
    top, left = (height - rows - 3 if is_low else 3), (width - columns - 3 if is_right else 3)
    shown = frames.copy()
    shown[:, top : top + rows, left : left + columns] = (255, 255, 255) if is_white else (20, 30, 220)
    shown[:, top + rows // 3 : top + 2 * rows // 3, left + 3 : left + columns - 3] = 0
    return shown


def _padded(frames: np.ndarray, rows: int, columns: int, level: int) -> np.ndarray:
    return np.pad(frames, ((0, 0), (rows, rows), (columns, columns), (0, 0)), constant_values=level)


# Sizes and pixels are for sources of 160 x 120.
KINDS: dict[str, Callable[[Source], Copy]] = {
    "x264, crf 35": lambda s: Copy(s.frames, codec=("libx264", {"crf": "35"})),
    "MPEG-4": lambda s: Copy(s.frames, codec=("mpeg4", {"b": "300000"})),
    "VP9": lambda s: Copy(s.frames, codec=("libvpx-vp9", {"crf": "40", "b": "0", "cpu-used": "8"})),
    "half size": _resized(80, 60),
    "double size": _resized(320, 240),
    "aspect 16:9": _resized(214, 120),
    "cropped by 10 % on each side": lambda s: Copy(s.frames[:, 12:-12, 16:-16]),
    "cropped by 15 % on one side": lambda s: Copy(s.frames[:, :, 24:]),
    "letterbox": lambda s: Copy(_padded(s.frames, 16, 0, 0)),
    "white pillars": lambda s: Copy(_padded(s.frames, 0, 16, 255)),
    "10 % faster": lambda s: _faster(s, 1.1),
    "10 % slower": lambda s: _faster(s, 0.9),
    "15 frames a second": lambda s: _faster(s, s.fps / 15, 15.0),
    "10 frames a second": lambda s: _faster(s, s.fps / 10, 10.0),
    "brighter": _levels(1.0, 40.0),
    "half the contrast": _levels(0.5, 64.0),
    "1.5 times the contrast": _levels(1.5, -64.0),
    "grey": _each(lambda frame: np.repeat(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)),
    "rotated by 3 degrees": _each(_turned),
    "blurred": _each(lambda frame: cv2.GaussianBlur(frame, (0, 0), 2.5)),
    "mirrored": lambda s: Copy(s.frames[:, :, ::-1]),
    "2 s off the beginning": lambda s: Copy(_trimmed(s, 2, 0)),
    "2 s off the end": lambda s: Copy(_trimmed(s, 0, 2)),
    "2 s off both": lambda s: Copy(_trimmed(s, 2, 2)),
    "0.5 s off the beginning": lambda s: Copy(_trimmed(s, 0.5, 0)),
    "0.5 s off both": lambda s: Copy(_trimmed(s, 0.5, 0.5)),
    "an intro card of 3 s": lambda s: _with_card(s, s.frames),
    "an intro card, letterbox": lambda s: _with_card(s, _padded(s.frames, 16, 0, 0)),
    "inside a longer upload": lambda s: Copy(np.concatenate([s.others[0], s.frames, s.others[1]])),
    "a logo of 3.7 %": lambda s: Copy(_with_logo(s, s.frames)),
    "a logo, mirrored, 2 s off": lambda s: Copy(_with_logo(s, _trimmed(s, 2, 0)[:, :, ::-1])),
}


def scene_clip(background: np.ndarray, figures: np.ndarray, seed: int) -> np.ndarray:
    """Six seconds, 15 a second, of a camera that stands still: the same two figures each time, on other ways.

    Args:
      background: uint8 [H, W, 3].
      figures: pictures of the figures, uint8 [2, h, w, 3].
      seed: of the ways and the sensor's noise.
    """
    generator = np.random.default_rng(seed)
    count, (height, width), size = 90, background.shape[:2], np.array(figures.shape[1:3])
    times = np.linspace(0, 1, count)
    soft = np.outer(*(np.hanning(side + 2)[1:-1] for side in size))[..., None] ** 0.5
    frames = np.repeat(background[None].astype(np.float32), count, axis=0)
    for figure in figures:
        knots = generator.uniform(0, 1, (5, 2)) * (np.array([height, width]) - size)
        ways = np.stack([np.interp(times, np.linspace(0, 1, 5), way) for way in knots.T], axis=1)
        for frame, (top, left) in zip(frames, np.rint(ways).astype(int), strict=True):
            place = frame[top : top + size[0], left : left + size[1]]
            place += soft * (figure - place)
    return np.clip(frames + generator.normal(0, 3, frames.shape), 0, 255).astype(np.uint8)
