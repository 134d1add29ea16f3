"""Interlaced video, of which OpenCV with FFmpeg 8 (from OpenCV 4.13 on) gives no picture and does not say so.

FFmpeg's scaler refuses fields. `VideoCapture.retrieve` nevertheless answers with success, and with
what its memory held before: black, or a frame of another video. Every picture is then the same one.
"""

import functools
import re

import cv2
import numpy as np

_REFUSING_SWSCALE = 8
_PROFILES_WITH_CHROMA = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))


@functools.cache
def cannot_convert_fields() -> bool:
    """Whether the scaler that OpenCV was built with is one that refuses."""
    found = re.search(r"swscale:\s+YES \((\d+)\.", cv2.getBuildInformation())
    return found is not None and int(found[1]) >= _REFUSING_SWSCALE


def is_interlaced(path: str) -> bool:
    """Whether the header of an H.264 or MPEG-2 stream allows fields; False for all other codecs."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])  # -1: packets, not pictures.
    try:
        codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").lower()
        found, header = capture.retrieve(flag=int(capture.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
    finally:
        capture.release()
    if not found or header is None:
        return False
    data = np.asarray(header, np.uint8).tobytes()
    try:
        if codec in (b"h264", b"avc1"):
            return not _h264_has_frames_only(_h264_parameters(data))
        return codec in (b"mpg2", b"mpeg") and not _mpeg2_is_progressive(data)
    except IndexError:  # The header ends early.
        return False


def _mpeg2_is_progressive(header: bytes) -> bool:
    """`progressive_sequence` (ISO/IEC 13818-2, 6.2.2.3); MPEG-1 has no sequence extension and no fields."""
    place = header.find(b"\x00\x00\x01\xb5")
    return place < 0 or bool(header[place + 5] & 0x08)


def _h264_parameters(header: bytes) -> bytes:
    """The sequence parameter set of an `avcC` box or of a byte stream."""
    if header[0] == 1:
        size = int.from_bytes(header[6:8])
        return header[8 : 8 + size]
    units = re.split(rb"\x00\x00\x01", header)
    return next((unit for unit in units if unit and unit[0] & 0x1F == 7), b"")


class _Bits:
    """Reads the fields of ITU-T H.264, 7.2 and 9.1, one after the other."""

    def __init__(self, data: bytes):
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._place = 0

    def fixed(self, count: int) -> int:
        if self._place + count > len(self._bits):
            raise IndexError
        self._place += count
        return int(self._bits[self._place - count : self._place], 2)

    def golomb(self) -> int:
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + (self.fixed(zeros) if zeros else 0)


def _h264_has_frames_only(parameters: bytes) -> bool:
    """`frame_mbs_only_flag` of a sequence parameter set (ITU-T H.264, 7.3.2.1.1)."""
    bits = _Bits(parameters[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = bits.fixed(8)
    bits.fixed(16)
    bits.golomb()
    if profile in _PROFILES_WITH_CHROMA:
        is_444 = bits.golomb() == 3
        if is_444:
            bits.fixed(1)
        bits.golomb(), bits.golomb(), bits.fixed(1)
        if bits.fixed(1):
            for number in range(12 if is_444 else 8):
                if bits.fixed(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.fixed(1), bits.golomb(), bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    bits.golomb(), bits.fixed(1), bits.golomb(), bits.golomb()
    return bool(bits.fixed(1))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    scale = 8
    for _ in range(size):
        code = bits.golomb()
        scale = (scale + ((code + 1) // 2 if code % 2 else -(code // 2))) % 256
        if scale == 0:
            return
