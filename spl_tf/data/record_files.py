"""Files of records, as `tf.io.TFRecordWriter` writes them: each with its length and the checksums of both."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

# Length (8 bytes) and its checksum (4) come before the content, the content's checksum (4) behind it.
BYTES_BEFORE, BYTES_BEHIND = 12, 4
MOST_BYTES = 2**31 - 1  # Of a protocol buffer.


def write_record(file: BinaryIO, content: bytes) -> None:
    """Appends a record to a file. OSError where the disk does not take it."""
    length = struct.pack("<Q", len(content))
    file.write(length + _checksum(length))
    file.write(content)
    file.write(_checksum(content))


def read_records(file: BinaryIO) -> Iterator[bytes]:
    """The contents of a file's records, from where it stands to its end.

    Raises:
      ValueError: the next record is cut off or damaged, or this is no such file.
    """
    while before := file.read(BYTES_BEFORE):
        (length,) = struct.unpack("<Q4x", before.ljust(BYTES_BEFORE, b"\0"))
        if before[8:] != _checksum(before[:8]) or length > MOST_BYTES:
            raise ValueError("has no length that its checksum confirms: it is damaged, or the file no TFRecord file")
        content, behind = file.read(length), file.read(BYTES_BEHIND)
        if behind != _checksum(content) or len(content) < length:
            raise ValueError("is cut off or damaged")
        yield content


def _checksum(content: bytes) -> bytes:
    """CRC-32C, rotated and moved, as TensorFlow stores it (tensorflow/core/lib/hash/crc32c.h, `Mask`)."""
    value = google_crc32c.value(content)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)
