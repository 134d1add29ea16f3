"""From a label as a list has it to a class id: by the class's name, or by its number."""

import difflib
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError

# Tables of numbers with gaps are saved with a fraction: 3.0.
_NUMBER = re.compile(r"(\d{1,9})(?:\.0*)?")


def texts(value: Any, whole: Collection[str] = ()) -> list[str]:
    """`a|b` or `["a", "b"]` as distinct names; a text in `whole` is one name even with `|` in it."""
    if isinstance(value, list):
        parts = [text(part) for part in value]
    else:
        parts = [text(value)] if text(value) in whole else [part.strip() for part in text(value).split("|")]
    return list(dict.fromkeys(part for part in parts if part))


def class_ids(labels: Collection[str], classes: Sequence[str], where: object) -> dict[str, int]:
    """Class id of each label that has one.

    A label is a class's name. Where no label is one and some are numbers, these are class ids, which count from 0;
    that is printed, with an example.

    Args:
      labels: all that a list has.
      classes: ordered class names.
      where: the list, for messages.

    Raises:
      UserError: the labels are numbers that are off by one: 1 to N for N classes, or for classes named 0 to N - 1.
    """
    names = {name: index for index, name in enumerate(classes)}
    numbers = {label: int(found[1]) for label in labels if (found := _NUMBER.fullmatch(label))}
    if not numbers:
        return names
    if all(name.isdecimal() for name in classes):
        _require_names_that_fit(set(numbers.values()), {int(name) for name in classes}, where)
        return names | {label: names[str(number)] for label, number in numbers.items() if str(number) in names}
    if any(label in names for label in labels):
        return names
    _require_not_counted_from_one(set(numbers.values()), len(classes), where)
    ids = {label: number for label, number in numbers.items() if number < len(classes)}
    if ids:
        _tell(ids, classes, where)
    return names | ids


def unknown_label(name: str, ids: Mapping[str, int], classes: Sequence[str]) -> str:
    """What to say of a label that is no class, with the class that may be meant."""
    if ids.keys() - set(classes):
        return f"{name!r} (class ids are 0 to {len(classes) - 1})"
    return repr(name) + _near_miss(name, tuple(classes))


def _require_not_counted_from_one(numbers: set[int], num_classes: int, where: object) -> None:
    if 0 not in numbers and num_classes in numbers:
        raise UserError(
            f"the labels of {where} are numbers up to {num_classes} without 0, of {num_classes} classes: class ids "
            "count from 0, so subtract 1 from each, or write class names"
        )


def _require_names_that_fit(numbers: set[int], names: set[int], where: object) -> None:
    """Refuses numbers that would all be right one further up or down: 1 to 4 for classes named 0 to 3."""
    for shift, missing, beyond in ((1, min(names), max(names) + 1), (-1, max(names), min(names) - 1)):
        if missing not in numbers and beyond in numbers and {number - shift for number in numbers} <= names:
            raise UserError(
                f"the labels of {where} are numbers from {min(numbers)} to {max(numbers)}, its classes are named "
                f"{min(names)} to {max(names)}: count both from the same number"
            )


def _tell(ids: Mapping[str, int], classes: Sequence[str], where: object) -> None:
    example = min(ids, key=lambda label: ids[label])
    note = f"{where}: labels are numbers, read as class ids from 0: {example} is {classes[ids[example]]!r}"
    doubt = "" if 0 in ids.values() else "; no label is 0: if they count from 1, subtract 1 or write names"
    print(note + doubt)


@functools.lru_cache
def _near_miss(name: str, classes: tuple[str, ...]) -> str:
    near = [known for known in classes if known.lower() == name.lower()]
    near = near or difflib.get_close_matches(name, classes, n=1)
    return f" (is it {near[0]!r}?)" if near else ""
