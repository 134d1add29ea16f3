"""Reads image files: the header first, so that neither a huge picture nor a file that was cut off does harm.

A large JPEG file is decoded at 1/2, 1/4 or 1/8 of its size while its short side stays as long as wanted, which
takes a part of the time and of the memory. What a file holds counts, not its suffix: JPEG, PNG, BMP, WebP and
GIF are read, of an animation the first picture; transparency is dropped.

OpenCV fills the rest of a JPEG file that ends too early with grey. Such a file is refused. Damage inside a
file that is whole shows in its picture only.
"""

import mmap
import struct
import warnings
from typing import BinaryIO, TypeGuard

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from spl_tf.data.video.errors import UnreadableError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF")

# The largest cameras have 151 million pixels.
_MOST_PIXELS_IN_FILE = 160_000_000
# OpenCV 5 holds the decoded pixels twice.
_MOST_DECODED_PIXELS = 50_000_000
# The library holds all coefficients of a progressive JPEG file, at any scale.
_MOST_COEFFICIENT_BYTES = 320_000_000
# Pillow decodes animations, with up to 20 bytes a pixel: OpenCV does so since 4.11 only.
_MOST_ANIMATED_PIXELS = 12_000_000

_FLAGS = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}
_END_OF_IMAGE, _START_OF_SCAN = b"\xff\xd9", b"\xff\xda"


def is_image(path: str) -> bool:
    """Whether a file is taken for an image, by its suffix."""
    return path.lower().endswith(_SUFFIXES)


def read_image(path: str, short_side: int) -> np.ndarray:
    """Reads an image, turned as its EXIF orientation says, in some 300 MB of memory at most.

    So JPEG files of up to 160 million pixels are read where they can be reduced, other files of up to 50 million,
    animations of up to 12 million.

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
            if _is_animated(image):
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
    most = _MOST_ANIMATED_PIXELS if _is_animated(image) else _MOST_DECODED_PIXELS
    too_large = pixels > _MOST_PIXELS_IN_FILE or decoded > most or _coefficient_bytes(image) > _MOST_COEFFICIENT_BYTES
    if too_large or pixels < 1:
        raise UnreadableError("unusable size", f"({image.width}x{image.height})")


def _is_jpeg(image: Image.Image) -> TypeGuard[JpegImageFile]:
    """MPO too, which is JPEG with further pictures behind it."""
    return isinstance(image, JpegImageFile)


def _is_animated(image: Image.Image) -> bool:
    # To count a GIF file's pictures is to read them all.
    return image.format == "GIF" or (not _is_jpeg(image) and getattr(image, "is_animated", False))


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
    try:
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        raise UnreadableError("damaged image") from error
