"""Reads image files: the header first, so that neither a huge picture nor a file that was cut off does harm.

A large JPEG file is decoded at 1/2, 1/4 or 1/8 of its size while its short side stays as long as wanted, which
takes a part of the time and of the memory. What a file holds counts, not its suffix: JPEG, PNG, BMP, WebP and
GIF are read, of an animation the first picture. A transparent picture is laid on white, as a page shows it: what
stands under the transparent parts is often noise. Animated and transparent pictures are turned by EXIF as others are.

OpenCV fills the rest of a JPEG file that ends too early with grey. Such a file is refused. Damage inside a
file that is whole shows in its picture only.
"""

import mmap
import struct
import warnings
from typing import BinaryIO, TypeGuard

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from spl_tf.data.video.errors import UnreadableError

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF")

# The largest cameras have 151 million pixels.
_MOST_PIXELS_IN_FILE = 160_000_000
# OpenCV 5 holds the decoded pixels twice.
_MOST_DECODED_PIXELS = 50_000_000
# The library holds all coefficients of a progressive JPEG file, at any scale.
_MOST_COEFFICIENT_BYTES = 320_000_000
# Pillow decodes animations, with up to 20 bytes a pixel: OpenCV does so since 4.11 only.
_MOST_ANIMATED_PIXELS = 12_000_000
# It decodes transparent pictures too, with 4 bytes a pixel of each of: the picture, the turned one, the result.
_MOST_TRANSPARENT_PIXELS = 25_000_000

BACKGROUND = 255
_ROWS_AT_A_TIME = 64

_FLAGS = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}
_END_OF_IMAGE, _START_OF_SCAN = b"\xff\xd9", b"\xff\xda"


def read_image(path: str, short_side: int) -> np.ndarray:
    """Reads an image, turned as its EXIF orientation says, in some 300 MB of memory at most.

    So JPEG files of up to 160 million pixels are read where they can be reduced, other files of up to 50 million,
    transparent ones of up to 25 million, animations of up to 12 million.

    Args:
      path: the file.
      short_side: pixels that are wanted; a JPEG file with twice as many or more is read in a reduced size.

    Returns:
      uint8 [H, W, 3] BGR, its short side at least `short_side`, or that of the file where that is less.

    Raises:
      UnreadableError: it cannot be read or decoded, is too large, or was cut off.
    """
    try:
        with open(path, "rb") as opened:
            image = _header(opened)
            _require_usable_size(image, short_side)
            if _is_jpeg(image) and not _is_whole_jpeg(opened):
                raise UnreadableError("damaged image", "(cut off)")
            if _is_animated(image) or _is_transparent(image):
                return _first_picture(image)
            flag = _FLAGS[_reduction(image, short_side)]
    except OSError as error:
        raise UnreadableError("cannot be read", f"({error.strerror or error})") from error
    pixels = cv2.imread(path, flag)
    if pixels is None:
        raise UnreadableError("damaged image")
    return pixels


def _header(opened: BinaryIO) -> Image.Image:
    """The image with its pixels not yet decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # There are limits of our own.
        try:
            return Image.open(opened, formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise UnreadableError("unusable size", f"(over {_MOST_PIXELS_IN_FILE:,} pixels)") from error
        except (UnidentifiedImageError, SyntaxError, ValueError) as error:
            raise UnreadableError("cannot be decoded as an image") from error
        except OSError as error:
            if error.errno is not None:  # The disk's word; Pillow's own have no number.
                raise
            raise UnreadableError("damaged image") from error


def _require_usable_size(image: Image.Image, short_side: int) -> None:
    pixels = image.width * image.height
    decoded = pixels // _reduction(image, short_side) ** 2
    most = _MOST_TRANSPARENT_PIXELS if _is_transparent(image) else _MOST_DECODED_PIXELS
    most = _MOST_ANIMATED_PIXELS if _is_animated(image) else most
    too_large = pixels > _MOST_PIXELS_IN_FILE or decoded > most or _coefficient_bytes(image) > _MOST_COEFFICIENT_BYTES
    if too_large or pixels < 1:
        raise UnreadableError("unusable size", f"({image.width}x{image.height})")


def _is_jpeg(image: Image.Image) -> TypeGuard[JpegImageFile]:
    """MPO too, which is JPEG with further pictures behind it."""
    return isinstance(image, JpegImageFile)


def _is_animated(image: Image.Image) -> bool:
    # To count a GIF file's pictures is to read them all.
    return image.format == "GIF" or (not _is_jpeg(image) and getattr(image, "is_animated", False))


def _is_transparent(image: Image.Image) -> bool:
    """Not BMP, whose fourth channel is mostly unused."""
    return image.format in ("PNG", "WEBP", "GIF") and ("A" in image.getbands() or "transparency" in image.info)


def _reduction(image: Image.Image, short_side: int) -> int:
    """1, 2, 4 or 8: the part of the size that is decoded. Other formats than JPEG are decoded whole anyhow."""
    if not _is_jpeg(image):
        return 1
    return next((factor for factor in (8, 4, 2) if min(image.size) // factor >= short_side), 1)


def _coefficient_bytes(image: Image.Image) -> int:
    """What a progressive JPEG file needs beside its pixels: two bytes for each sample of its components."""
    if not _is_jpeg(image) or "progressive" not in image.info:
        return 0
    samples = [horizontal * vertical for _, horizontal, vertical, _ in image.layer]
    return 2 * image.width * image.height * sum(samples) // max(samples)


def _is_whole_jpeg(opened: BinaryIO) -> bool:
    """Whether the last scan is followed by the end marker; a thumbnail in the header has one too."""
    with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(_END_OF_IMAGE)
        return end >= 0 and content.find(_START_OF_SCAN, end) < 0


def _first_picture(image: Image.Image) -> np.ndarray:
    """The picture of a file, or its first one, upright, on white where it is transparent: uint8 [H, W, 3] BGR."""
    try:
        image.load()
        with_alpha = _is_transparent(image)  # Before it is turned: a turned one has no format.
        ImageOps.exif_transpose(image, in_place=True)
        mode = "RGBA" if with_alpha else "RGB"
        pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        raise UnreadableError("damaged image") from error
    return _on_background(pixels) if with_alpha else np.ascontiguousarray(pixels[..., ::-1])


def _on_background(pixels: np.ndarray) -> np.ndarray:
    """RGBA on white, a few rows at a time: uint8 [H, W, 4] -> [H, W, 3] BGR."""
    result = np.empty((*pixels.shape[:2], 3), np.uint8)
    for start in range(0, len(pixels), _ROWS_AT_A_TIME):
        rows = pixels[start : start + _ROWS_AT_A_TIME].astype(np.uint32)
        alpha = rows[..., 3:]
        mixed = rows[..., 2::-1] * alpha + BACKGROUND * (255 - alpha)
        result[start : start + _ROWS_AT_A_TIME] = (mixed + 127) // 255
    return result
