"""What containers say of themselves and FFmpeg does not check: where they end, and Matroska's checksums."""

import os
import zlib
from typing import BinaryIO

# A transport stream's packets: bare, with a time before each (Blu-ray), with a checksum behind each (DVB).
_TS_PACKETS = (188, 192, 204)
_TS_SYNC = 0x47
_PACKETS_COMPARED = 5
_LONGEST_OGG_PAGE = 65_307
_OGG_HEAD = 27
_OGG_LAST_PAGE = 4
# RFC 8794 and 9559.
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_CRC32 = b"\xbf\x84"  # Its id and its length of 4 bytes; it is the first child.
_CHUNK = 1 << 20


def container_faults(path: str, container: str) -> list[tuple[str, str]]:
    """Kind and detail of each fault.

    Args:
      path: the file.
      container: FFmpeg's name of its demuxer.

    Raises:
      OSError: the file cannot be read any more.
    """
    if container == "mpegts" and _ends_inside_ts_packet(path):
        return [("cut off", "(ends inside a packet)")]
    if container == "ogg" and not _has_last_ogg_page(path):
        return [("cut off", "(has no last page)")]
    if container.startswith("matroska"):
        with open(path, "rb") as opened:
            wrong, checked = _wrong_clusters(opened)
        if wrong:
            return [("wrong checksums", f"({wrong} of {checked} clusters)")]
    return []


def _ends_inside_ts_packet(path: str) -> bool:
    with open(path, "rb") as opened:
        head = opened.read(2 * _PACKETS_COMPARED * max(_TS_PACKETS))
    for begin in range(max(_TS_PACKETS)):
        for size in _TS_PACKETS:
            syncs = head[begin::size][:_PACKETS_COMPARED]
            if len(syncs) == _PACKETS_COMPARED and set(syncs) == {_TS_SYNC}:
                # The time stands before the sync byte, so that a Blu-ray's last packet seems to lack as much.
                return (os.path.getsize(path) - begin) % size not in ((0, 188) if size == 192 else (0,))
    return False


def _has_last_ogg_page(path: str) -> bool:
    with open(path, "rb") as opened:
        # Each of several streams has a last page.
        opened.seek(max(0, os.path.getsize(path) - 4 * _LONGEST_OGG_PAGE))
        tail = opened.read()
    place = tail.find(b"OggS")
    while place >= 0:
        head = tail[place : place + _OGG_HEAD]
        if len(head) == _OGG_HEAD and head[5] & _OGG_LAST_PAGE:
            lengths = tail[place + _OGG_HEAD :][: head[-1]]
            return place + _OGG_HEAD + head[-1] + sum(lengths) <= len(tail)
        place = tail.find(b"OggS", place + 1)
    return False


def _wrong_clusters(opened: BinaryIO) -> tuple[int, int]:
    """How many clusters have another checksum than they say, and how many say one, up to the first that is broken."""
    end, wrong, checked = os.fstat(opened.fileno()).st_size, 0, 0
    while (element := _element(opened)) is not None:
        name, size = element
        if name == _SEGMENT:
            continue
        begin = opened.tell()
        if size is None or begin + size > end:
            break  # Written as it came, or cut off, which FFmpeg says.
        head = opened.read(min(size, 6)) if name == _CLUSTER else b""
        if head[:2] == _CRC32:
            checked += 1
            wrong += _crc32(opened, size - 6) != int.from_bytes(head[2:], "little")
        opened.seek(begin + size)
    return wrong, checked


def _crc32(opened: BinaryIO, size: int) -> int:
    value = 0
    while size > 0:
        chunk = opened.read(min(size, _CHUNK))
        value, size = zlib.crc32(chunk, value), size - len(chunk)
    return value


def _element(opened: BinaryIO) -> tuple[int, int | None] | None:
    """Id and length of the element that begins here; the length is None where it is unknown."""
    name, size = _number(opened, 4), _number(opened, 8)
    if name is None or size is None:
        return None
    (id_value, _), (value, bits) = name, size
    value &= (1 << bits) - 1
    return id_value, None if value == (1 << bits) - 1 else value


def _number(opened: BinaryIO, longest: int) -> tuple[int, int] | None:
    """A number of variable length with its marker, and how many bits are behind the marker."""
    first = opened.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = opened.read(length - 1)
    if length > longest or len(rest) < length - 1:
        return None
    return int.from_bytes(first + rest), 7 * length
