"""Pictures of where a network looks: heat maps over frames, strips and animations with a caption, and their files."""

import hashlib
import pathlib
import re
import warnings
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from spl_tf.data.video.writing import write_video
from spl_tf.files import atomic_path
from spl_tf.fonts import font_families

FRAMES_SHOWN = 8
"""Most frames of a strip."""

# Pixels.
_LEAST_SIDE = 112
_LEAST_WIDTH = 448
_MARGIN = 6
_LINE = 18
_LETTER = 13
# A power of two: sizes in inches are exact, and no pixel is lost by rounding.
_DPI = 64
_PAPER = 255
_INK = "#222222"
_SMALLEST = 0.6
"""A line that is too long is written smaller, down to this factor, and then cut."""

_SHORTEST_MS = 20
"""Browsers show a GIF's frames of less time than this for 100 ms."""

# Bytes of a clip's id and of a class in a file name; systems allow 255 in all, and a temporary name is longer.
_ID_BYTES, _CLASS_BYTES = 100, 60


def overlay(frames: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Frames and their heat in equal parts, from blue for 0 to red for 1.

    Args:
      frames: uint8 [T, H, W, 3], RGB.
      maps: float [T, H, W] in [0, 1].

    Returns:
      uint8 [T, H, W, 3], RGB.
    """
    levels = np.rint(255 * maps).astype(np.uint8)
    heat = [cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB) for level in levels]
    mixed = [cv2.addWeighted(frame, 0.5, own, 0.5, 0) for frame, own in zip(frames, heat, strict=True)]
    return np.stack(mixed)


def strip(frames: np.ndarray, maps: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """A few frames side by side, below them the same with their maps, below these the caption.

    Args:
      frames: uint8 [T, H, W, 3], RGB.
      maps: float [T, H, W] in [0, 1].
      lines: of the caption.

    Returns:
      uint8 [height, width, 3], RGB, both sizes even. Frames of less than 112 pixels are enlarged by a whole factor.
    """
    shown = np.unique(np.linspace(0, len(frames) - 1, FRAMES_SHOWN).round().astype(int))
    rows = [frames[shown], overlay(frames[shown], maps[shown])]
    picture = np.concatenate([np.concatenate(list(_enlarged(row)), axis=1) for row in rows])
    return _captioned(picture[None], lines)[0]


def animation(frames: np.ndarray, maps: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Every frame with its overlay to the right and the caption below: uint8 [T, height, width, 3]; see `strip`."""
    return _captioned(np.concatenate([_enlarged(frames), _enlarged(overlay(frames, maps))], axis=2), lines)


def write_png(path: pathlib.Path, picture: np.ndarray) -> None:
    """Writes an RGB picture, uint8 [H, W, 3]."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


def write_gif(path: pathlib.Path, pictures: np.ndarray, frame_rate: float) -> None:
    """Writes RGB pictures, uint8 [T, H, W, 3], as a GIF that starts again at its end; 256 colours a picture."""
    first, *others = map(Image.fromarray, pictures)
    # A GIF counts in hundredths of a second, so frames differ for the clip to last as long as it should.
    ends = np.rint(100 / frame_rate * np.arange(len(pictures) + 1)).astype(int)
    milliseconds = [max(_SHORTEST_MS, 10 * hundredths) for hundredths in np.diff(ends).tolist()]
    with atomic_path(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)


def write_mp4(path: pathlib.Path, pictures: np.ndarray, frame_rate: float) -> None:
    """Writes RGB pictures, uint8 [T, H, W, 3] with even sizes; see `write_video`."""
    write_video(path, np.ascontiguousarray(pictures[..., ::-1]), frame_rate)


def file_name(clip_id: str, class_name: str) -> str:
    """`<clip id>--<class>` without what file systems mind; an id that had to change gets its hash, unlike others'."""
    own, target = _safe(clip_id, _ID_BYTES), _safe(class_name, _CLASS_BYTES)
    if own != clip_id:
        own += f"~{hashlib.sha256(clip_id.encode()).hexdigest()[:8]}"
    return f"{own}--{target}"


def _enlarged(frames: np.ndarray) -> np.ndarray:
    """Frames [T, H, W, 3] by the least whole factor that makes both sides at least `_LEAST_SIDE`."""
    factor = -(-_LEAST_SIDE // min(frames.shape[1:3]))
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def _captioned(pictures: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Pictures [T, H, W, 3] on paper wide enough for text, over one caption; sizes are even, as MPEG-4 wants."""
    _, height, width, _ = pictures.shape
    right = max(_LEAST_WIDTH - width, width % 2)
    pictures = np.pad(pictures, [(0, 0), (0, height % 2), (0, right), (0, 0)], constant_values=_PAPER)
    caption = _written(lines, width + right)
    return np.concatenate([pictures, np.broadcast_to(caption, (len(pictures), *caption.shape))], axis=1)


def _written(lines: Sequence[str], width: int) -> np.ndarray:
    """The lines as a picture: uint8 [18 a line and 12 of margin, width, 3]."""
    height = _LINE * len(lines) + 2 * _MARGIN
    # A hundredth of a pixel more: matplotlib 3.8 makes 434 of 434.99...
    figure = Figure(figsize=((width + 0.01) / _DPI, (height + 0.01) / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    families, _ = font_families(lines)
    room, size = width - 2 * _MARGIN, _LETTER * 72 / _DPI
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # The caller tells the user.
        for number, line in enumerate(lines):
            text = figure.text(
                _MARGIN / width,
                1 - (_MARGIN + (number + 0.5) * _LINE) / height,
                line,
                fontsize=size,
                fontfamily=families,
                color=_INK,
                va="center_baseline",
                parse_math=False,
                clip_on=True,
                clip_box=Bbox.from_extents(_MARGIN, 0, _MARGIN + room, height),
            )
            too_long = text.get_window_extent(canvas.get_renderer()).width / room
            if too_long > 1:
                text.set_fontsize(size * max(1 / too_long, _SMALLEST))
        canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _safe(text: str, most_bytes: int) -> str:
    text = re.sub(r"[^\w.@-]+", "_", text).lstrip(".-")  # Hidden, or an option to other programs.
    return text.encode()[:most_bytes].decode(errors="ignore")
