"""What is fuzzed: a reader, and a folder to begin with."""

import dataclasses
import pathlib
from collections.abc import Callable

from spl_tf import files


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader of one file.

    Attributes:
      file: its name in the folder.
      write: makes a folder in which everything is whole.
      read: reads the file, in that folder.
    """

    file: str
    write: Callable[[pathlib.Path], object]
    read: Callable[[pathlib.Path], object]


def text(name: str, content: str) -> Callable[[pathlib.Path], object]:
    """Writes a folder with one text file."""
    return lambda folder: files.write_text(folder / name, content)
