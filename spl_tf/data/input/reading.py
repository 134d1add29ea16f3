"""A record that can't be read, from TensorFlow's traceback to one line that names the data set."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.files import Path

# What only our input pipelines contain. The name of the iterator's own operation says nothing:
# TensorFlow also puts it under errors of a network that is fed by it.
_OF_RECORDS = {
    tf.errors.DataLossError: re.compile(r"record"),
    tf.errors.NotFoundError: re.compile(r"\.tfrecord|No such file"),
    tf.errors.InvalidArgumentError: re.compile(
        r"DecodeAndCropJpeg|DecodePng|ParseSequenceExample|assertion failed: \[clip\]|a shard holds fewer records|"
        r"claims .* bytes|cannot be fetched"
    ),
}
_AROUND_THE_CAUSE = re.compile(
    r"^ *\(\d+\) [A-Z_]+: +|\{\{.*?\}\} |Error in user-defined function .*? iterator: \S+ |\s*\[Op:.*", re.MULTILINE
)
_NO_CAUSE = re.compile(r"\s|$|Graph execution error|Detected at node|<stack traces|\d+ root error")


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
