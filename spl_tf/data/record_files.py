"""Files of records, as `tf.io.TFRecordWriter` writes them: each with its length and the checksums of both."""

import struct
from typing import BinaryIO

import google_crc32c

# Length (8 bytes) and its checksum (4) come before the content, the content's checksum (4) behind it.
BYTES_BEFORE, BYTES_BEHIND = 12, 4


def write_record(file: BinaryIO, content: bytes) -> None:
    """Appends a record to a file. OSError where the disk does not take it."""
    length = struct.pack("<Q", len(content))
    file.write(length + _checksum(length))
    file.write(content)
    file.write(_checksum(content))


def _checksum(content: bytes) -> bytes:
    """CRC-32C, rotated and moved, as TensorFlow stores it (tensorflow/core/lib/hash/crc32c.h, `Mask`)."""
    value = google_crc32c.value(content)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)
