"""Lengths that a TFRecord file gives its records, looked at before one of them is believed.

TensorFlow's reader makes room for whatever length a record claims and ends the process when there is none.
"""

import os
import struct

from spl_tf import files
from spl_tf.data.record_files import MOST_BYTES

_HEAD = struct.Struct("<Q4x")  # Length, and its checksum, which the reader compares.
_TAIL_BYTES = 4  # The content's checksum.


def impossible_length(path: files.Path) -> tuple[int, str] | None:
    """The first record that claims to be longer than the file or than any record, and the fault; None for none.

    Only the 12 bytes before each record are read. A file that is cut off inside a record's last bytes, or damaged
    otherwise, is left to the reader, which says so.

    Raises:
      UserError: the file is missing or no regular file.
    """
    with files.open_regular(path, "run spl_tf.shard, or copy the shard again") as opened:
        descriptor, place, row = opened.fileno(), 0, 0
        size = os.fstat(descriptor).st_size
        while len(head := os.pread(descriptor, _HEAD.size, place)) == _HEAD.size:
            (length,) = _HEAD.unpack(head)
            if length > min(size, MOST_BYTES):
                return row, f"claims {length:,} bytes, its file has {size:,}"
            place += _HEAD.size + length + _TAIL_BYTES
            row += 1
    return None
