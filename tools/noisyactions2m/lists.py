"""Class and label lists in the form in which the authors of NoisyActions2M release theirs.

  classInd*.txt    "<class id> <name>", ids from 1
  label lists      "<video id> <class id|class id|...>"; a list of single labels has one class id a line

What is read is written back equal to the byte, unless something was mended: that is named line by line in a report.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.text_tables import counted
from tools.collect import tables

FAULT_COLUMNS = ("file", "line", "kind", "detail")

# Ids as they are written back: without zeros in front; 18 digits are an int64.
_ID = r"[1-9][0-9]{0,17}"
_CLASS_LINE = re.compile(rf"({_ID}) (.*\S.*)")
_LABEL_LINE = re.compile(rf"(\S+) ((?:{_ID}(?:\|{_ID})*)?)")
_BYTE_ORDER_MARK = "\ufeff"
_MADE_BY = "make it with tools.noisyactions2m.classes"


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something in a list that was mended or left out.

    Attributes:
      file: as it was given.
      line: from 1.
      kind: what is counted, e.g. "unknown class".
      detail: the thing itself.
    """

    file: str
    line: int
    kind: str
    detail: str = ""


def read_classes(path: files.Path, report: list[Fault] | None = None) -> dict[int, str]:
    """Class id -> name, in the order of the file; spaces around a name are part of it.

    Args:
      path: a class list.
      report: gets what was mended: line ends, a name that a second class has too.

    Raises:
      UserError: the file has no classes, a line is none of a class list, or an id comes twice.
    """
    classes: dict[int, str] = {}
    report = [] if report is None else report
    first: dict[str, int] = {}
    for number, line in _lines(path, report):
        match = _CLASS_LINE.fullmatch(line)
        if match is None:
            raise UserError(f"line {number} of {path} is not '<class id> <name>' ({line[:60]!r}): mend it")
        class_id, name = int(match[1]), match[2]
        if class_id in classes:
            raise UserError(f"line {number} of {path} gives the id {class_id} a second time: number classes once")
        if first.setdefault(name, class_id) != class_id:
            report.append(Fault(str(path), number, "repeated class name", f"{name!r}, also class {first[name]}"))
        classes[class_id] = name
    if not classes:
        raise UserError(f"{path} has no classes: {_MADE_BY}")
    return classes


def write_classes(path: files.Path, classes: Mapping[int, str]) -> None:
    """Writes a class list.

    Raises:
      UserError: a name has a line break or no character but spaces.
    """
    for class_id, name in classes.items():
        if not name.strip() or "\n" in name or name.endswith("\r"):
            raise UserError(f"class {class_id} has the name {name!r}, which no line can hold: rename it")
    files.write_text(path, "".join(f"{class_id} {name}\n" for class_id, name in classes.items()))


def read_labels(path: files.Path, classes: Mapping[int, str], report: list[Fault]) -> list[tuple[str, tuple[int, ...]]]:
    """The videos of a list with their labels, in the order of the file; every video once, with at least one label.

    Args:
      path: a list of one or several labels a video.
      classes: those there are; any other id is left out of its video's labels.
      report: gets what was mended and what was left out, with line numbers.

    Raises:
      UserError: it is no text file, or has no line that can be used.
    """
    rows: dict[str, tuple[int, ...]] = {}
    lines: dict[str, int] = {}
    for number, line in _lines(path, report):
        match = _LABEL_LINE.fullmatch(line)
        if match is None:
            report.append(Fault(str(path), number, "not '<video id> <id|id|...>'", line[:200]))
            continue
        video, given = match[1], [int(part) for part in match[2].split("|") if part]
        labels = tuple(dict.fromkeys(label for label in given if label in classes))
        for label in dict.fromkeys(given):
            if label not in classes:
                report.append(Fault(str(path), number, "unknown class", f"{video} {label}"))
        if len(set(given)) < len(given):
            report.append(Fault(str(path), number, "repeated label", line[:200]))
        if not labels:
            report.append(Fault(str(path), number, "video without label", video))
        elif video in rows:
            kind = "double line" if set(rows[video]) == set(labels) else "second line of a video with other labels"
            report.append(Fault(str(path), number, kind, f"{video}, first in line {lines[video]}"))
        else:
            rows[video], lines[video] = labels, number
    if not rows:
        raise UserError(f"{path} has no line with a video and a label: {_MADE_BY}")
    return list(rows.items())


def write_labels(path: files.Path, rows: Iterable[tuple[str, Sequence[int]]]) -> None:
    """Writes a label list; video ids have no space."""
    with files.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as opened:
        for video, labels in rows:
            opened.write(f"{video} {'|'.join(map(str, labels))}\n")


def write_report(path: files.Path, faults: Iterable[Fault]) -> None:
    tables.write(pathlib.Path(path), FAULT_COLUMNS, map(dataclasses.astuple, faults))


def summary(faults: Sequence[Fault], path: files.Path) -> str:
    """One line with what was mended or left out, by kind, and where it is listed."""
    listed = counted(fault.kind for fault in faults)
    return f"lists: {len(faults)} findings ({listed or 'nothing was mended or left out'}): see {path}"


def _lines(path: files.Path, report: list[Fault]) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are not blank; only "\\n" and "\\r\\n" end one, as a name may hold others."""
    with files.open_regular(path, "check the name of the list") as opened:
        number, line = 0, b"\n"
        for number, line in enumerate(opened, 1):
            try:
                text = line.decode().removesuffix("\n")
            except UnicodeDecodeError as error:
                raise UserError(f"line {number} of {path} is not UTF-8 text: save the list as UTF-8") from error
            if number == 1 and text.startswith(_BYTE_ORDER_MARK):
                text = text.removeprefix(_BYTE_ORDER_MARK)
                report.append(Fault(str(path), number, "byte order mark"))
            if text.endswith("\r"):
                text = text.removesuffix("\r")
                report.append(Fault(str(path), number, "CRLF line end"))
            if text.strip():
                yield number, text
            else:
                report.append(Fault(str(path), number, "blank line"))
        if not line.endswith(b"\n"):
            report.append(Fault(str(path), number, "missing final newline"))
