"""One changed file, read."""

import contextlib
import io
import pathlib

from spl_tf.command import FILE_ERRORS
from spl_tf.errors import UserError
from tools.fuzz.reader import Reader


def fault_of(reader: Reader, folder: pathlib.Path, content: bytes) -> BaseException | None:
    """What a reader raises for a content of its file that a command would show as a traceback; None for none."""
    (folder / reader.file).write_bytes(content)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            reader.read(folder)
    except UserError:
        return None
    except OSError as error:
        return None if error.errno in FILE_ERRORS else error
    except Exception as error:
        return error
    return None
