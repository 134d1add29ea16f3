"""A record that can't be read, from TensorFlow's traceback to one line that names the data set."""

import contextlib
import os
import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from spl_tf.data.record_lengths import impossible_length
from spl_tf.errors import UserError
from spl_tf.files import Path

# What only our input pipelines contain. The name of the iterator's own operation says nothing:
# TensorFlow also puts it under errors of a network that is fed by it.
_OF_RECORDS = {
    tf.errors.DataLossError: re.compile(r"record"),
    tf.errors.NotFoundError: re.compile(r"\.tfrecord"),
    tf.errors.InvalidArgumentError: re.compile(
        r"DecodeAndCropJpeg|ParseSequenceExample|assertion failed: \[clip\]|a shard holds fewer records|claims .* bytes"
    ),
}
_AROUND_THE_CAUSE = re.compile(
    r"^ *\(\d+\) [A-Z_]+: +|\{\{.*?\}\} |Error in user-defined function .*? iterator: \S+ |\s*\[Op:.*", re.MULTILINE
)
_NO_CAUSE = re.compile(r"\s|$|Graph execution error|Detected at node|<stack traces|\d+ root error")


def with_possible_lengths(paths: tf.Tensor) -> tf.Tensor:
    """Paths of shards, string [...]; an error of the input pipeline where one has an `impossible_length`."""
    # An answer, not an exception, which would bring its traceback into TensorFlow's message.
    fault = tf.numpy_function(_first_fault, [tf.reshape(paths, [-1])], tf.string, stateful=False)
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(fault, b""), [fault], summarize=1)]):
        return tf.identity(paths)


def _first_fault(paths: np.ndarray) -> bytes:
    """Empty for none, also where a file is gone, which is left to TensorFlow's reader."""
    for path in map(os.fsdecode, paths):
        if os.path.isfile(path) and (fault := impossible_length(path)):
            return f"{path} record {fault[0]} {fault[1]}".encode(errors="backslashreplace")
    return b""


@contextlib.contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turns TensorFlow's error about a damaged shard into the user's; all other errors pass.

    Args:
      folder: of the shards that are read inside the `with` block.

    Raises:
      UserError: a shard is gone, or a record damaged: its length, checksum, content, a JPEG or an id.
    """
    try:
        yield
    except tuple(_OF_RECORDS) as error:
        if not any(isinstance(error, kind) and words.search(error.message) for kind, words in _OF_RECORDS.items()):
            raise
        raise UserError(
            f"a record of {folder} can't be read ({_cause(error.message)}): "
            f"python -m spl_tf.shard --verify={folder} names it"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"a record of {folder} has an id that is no UTF-8 ({error.object!r}): "
            f"python -m spl_tf.shard --verify={folder} names it"
        ) from error


def _cause(message: str) -> str:
    """The line of TensorFlow's message that says what happened."""
    lines = _AROUND_THE_CAUSE.sub("", message).splitlines()
    return next((line for line in lines if not _NO_CAUSE.match(line)), message)
