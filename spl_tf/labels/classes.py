"""The ordered class list: class ids are positions in it, never the order in which labels were met."""

import itertools
import pathlib
from collections.abc import Sequence

from spl_tf.errors import UserError
from spl_tf.files import Path, require_regular


def read_classes(path: Path) -> tuple[str, ...]:
    """Reads a classes file: one name a line, the first line is class 0.

    Raises:
      UserError: the file is missing, is not UTF-8 text, is empty, or has an empty or repeated line.
    """
    require_regular(path, "give a text file with one class name a line")
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: save the classes file as UTF-8") from error
    if not text.strip():
        raise UserError(f"{path} holds no classes: write one class name a line")

    line_of: dict[str, int] = {}
    for line, name in enumerate(text.removesuffix("\n").split("\n"), start=1):
        name = name.strip()
        if not name:
            raise UserError(f"{path} line {line} is empty: every line must name a class")
        if name in line_of:
            raise UserError(f"{path} names {name!r} on lines {line_of[name]} and {line}: remove one of them")
        line_of[name] = line
    return tuple(line_of)


def require_same_classes(first: Sequence[str], first_name: str, second: Sequence[str], second_name: str) -> None:
    """Checks that two ordered class lists are equal.

    Args:
      first: class names in id order.
      first_name: where they come from, for the message.
      second: the list to compare with.
      second_name: where that one comes from.

    Raises:
      UserError: the lists differ; the message names the first position (from 0) and both names.
    """
    for position, (one, other) in enumerate(itertools.zip_longest(first, second)):
        if one != other:
            raise UserError(
                f"class {position} is {_shown(one)} in {first_name} and {_shown(other)} in {second_name}: "
                "both must be made with one classes file, in the same order"
            )


def _shown(name: str | None) -> str:
    return "missing" if name is None else repr(name)
