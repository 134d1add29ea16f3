"""The serialized records of a shard, by TensorFlow; those of other programs are completed by their heads."""

import os

import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import HEADS, ForeignRecords
from spl_tf.data.record_lengths import impossible_length
from spl_tf.errors import UserError
from spl_tf.remote import mirror


def shard_records(
    path: tf.Tensor, foreign: ForeignRecords | None = None, buffer_size: int | None = None
) -> tf.data.Dataset:
    """string []: the records of a shard that is used, in its order.

    Args:
      path: of the shard, string [].
      foreign: how its records are read; None for ours.
      buffer_size: of the reader, bytes.
    """
    if foreign is None:
        return tf.data.TFRecordDataset(path, buffer_size=buffer_size)
    stored = tf.data.TFRecordDataset(path, compression_type=foreign.compression, buffer_size=buffer_size)
    name = tf.strings.split(path, os.sep)[-1]
    heads_path = tf.strings.join([os.path.join(foreign.folder, ""), name, HEADS])
    heads = tf.data.TFRecordDataset(with_possible_lengths(heads_path))
    used = tf.data.Dataset.zip((stored, heads)).filter(lambda _, head: tf.strings.length(head) > 0)
    # Of a field that both have, the later one counts: see `record.head_to_bytes`.
    return used.map(lambda record, head: tf.strings.join([record, head]))


def with_possible_lengths(paths: tf.Tensor, foreign: ForeignRecords | None = None) -> tf.Tensor:
    """Paths of shards, string [...]; an error of the input pipeline where one has an `impossible_length`.

    In a compressed file the lengths are not to be seen; they were when it was indexed.
    """
    if foreign is not None and foreign.compression:
        return paths
    # An answer, not an exception, which would bring its traceback into TensorFlow's message.
    fault = tf.numpy_function(_first_fault, [tf.reshape(paths, [-1])], tf.string, stateful=False)
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(fault, b""), [fault], summarize=1)]):
        return tf.identity(paths)


def _first_fault(paths: np.ndarray) -> bytes:
    """Empty for none, also where a file is gone, which is left to TensorFlow's reader.

    Shards of a store are fetched first.
    """
    names = [os.fsdecode(path) for path in paths]
    try:
        mirror.fetch(*names)
    except UserError as error:
        return f"cannot be fetched: {error}".encode(errors="backslashreplace")
    for path in names:
        if os.path.isfile(path) and (fault := impossible_length(path)):
            return f"{path} record {fault[0]} {fault[1]}".encode(errors="backslashreplace")
    return b""
