"""The class names of a data set, in whichever form its authors publish them.

| form | data sets |
|---|---|
| `1 ApplyEyeMakeup` lines | UCF101 classInd.txt, lists of NoisyActions2M |
| `c000 Holding some clothes` lines | Charades_v1_classes.txt |
| `clapping,0` lines | moments_categories.txt |
| plain lines | Sports-1M labels.txt, HMDB51's folder names |
| folder of `brush_hair_test_split1.txt` | HMDB51's splits |
| CSV, TSV with a column of `_COLUMNS` | Kinetics, HACS clips, YouTube-8M vocabulary.csv, HVU (several by `|`) |
| JSON with `database` | ActivityNet, HACS segments |
| JSON name -> number | something-something-v2-labels.json |
| JSON list of names, or of objects with `template` or `label` | Something-Something's annotations |
| `name: "..."` in blocks | AVA ava_action_list_v2.2.pbtxt |
"""

import ast
import os
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from spl_tf.data.lists import csv_tables
from spl_tf.errors import UserError

# HACS has a `classname` beside a `label` of 1 and -1, YouTube-8M a `Name`, HVU's vocabulary a `Tag`.
_COLUMNS = ("classname", "class_name", "class", "label", "name", "tags", "tag")
_NUMBERED = re.compile(r"(\d+)\s+(\S.*)")
_CHARADES = re.compile(r"(c\d{3})\s+(\S.*)")
_WITH_ID = re.compile(r"(.*\S)\s*,\s*(\d+)")
_HMDB51_SPLIT = re.compile(r"(.+)_test_split\d\.txt")
_PBTXT_NAME = re.compile(r"""^\s*name\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.MULTILINE)


def read_class_names(path: str | os.PathLike[str]) -> list[str]:
    """The class names, each once, in the order of the file; an empty one where the file has a class without a name.

    Raises:
      UserError: the file is missing, not of its form, or has no class.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        names: Iterable[str] = _of_splits(path)
    elif path.suffix.lower() == ".json":
        names = _of_json(read_json(path, "--classes"))
    elif path.suffix.lower() in (".csv", ".tsv"):
        names = _of_table(path)
    elif path.suffix.lower() == ".pbtxt":
        names = _of_pbtxt(path)
    else:
        names = _of_lines([line.strip() for line in lines_of(path, "--classes") if line.strip()])
    found = list(dict.fromkeys(" ".join(csv_tables.text(name).split()) for name in names))
    if not any(found):
        raise UserError(f"{path} has no class names in a form that tools/noisyactions2m/class_names.py lists")
    return found


def _of_pbtxt(path: pathlib.Path) -> Iterable[str]:
    for name in _PBTXT_NAME.findall("".join(lines_of(path, "--classes"))):
        try:
            yield ast.literal_eval(name)
        except (SyntaxError, ValueError) as error:
            raise UserError(f"{path} has a name that cannot be read, {name[:80]!r}: correct it") from error


def lines_of(path: pathlib.Path, flag: str) -> list[str]:
    """The lines of a text file of somebody else's; bytes that are not UTF-8 are read as Latin-1."""
    if not path.is_file():
        raise UserError(f"{path} is no file: check {flag}")
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError:
        return content.decode("latin-1").splitlines(keepends=True)


def read_json(path: pathlib.Path, flag: str) -> Any:
    """A JSON file of somebody else's."""
    if not path.is_file():
        raise UserError(f"{path} is no file: check {flag}")
    try:
        return msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): check {flag}") from error


def _of_lines(lines: Sequence[str]) -> list[str]:
    """A form holds when all lines have it and no number comes twice; otherwise each line is a name."""
    for form, number, name in ((_NUMBERED, 1, 2), (_CHARADES, 1, 2), (_WITH_ID, 2, 1)):
        found = [form.fullmatch(line) for line in lines]
        if all(found) and len({match[number] for match in found if match}) == len(lines):
            return [match[name] for match in found if match]
    return list(lines)


def _of_splits(folder: pathlib.Path) -> list[str]:
    """HMDB51 names its classes in the names of the files of its splits alone."""
    matches = (_HMDB51_SPLIT.fullmatch(name) for name in sorted(os.listdir(folder)))
    return [match[1] for match in matches if match]


def _of_table(path: pathlib.Path) -> list[str]:
    lines = csv_tables.read_lines(path, "--classes")
    columns, rows = csv_tables.table(path, lines, csv_tables.widest_delimiter(lines))
    lowered = {name.lower(): name for name in reversed(columns)}
    column = next((lowered[name] for name in _COLUMNS if name in lowered), None)
    if column is None:
        raise UserError(f"{path} has no column of class names: call it one of {', '.join(_COLUMNS)}")
    several = column.lower() == "tags"
    names: dict[str, None] = {}  # Kinetics and HACS have a row per clip.
    for row in rows:
        names.update(dict.fromkeys(row[column].split("|") if several else [row[column]]))
    return list(names)


def _of_json(content: Any) -> list[str]:
    if isinstance(content, dict) and isinstance(content.get("database"), dict):
        return [
            annotation["label"]
            for video in content["database"].values()
            if isinstance(video, dict) and isinstance(video.get("annotations"), list)
            for annotation in video["annotations"]
            if isinstance(annotation, dict) and isinstance(annotation.get("label"), str)
        ]
    if isinstance(content, dict):
        return [name for name, value in content.items() if isinstance(value, str | int)]
    if isinstance(content, list):
        objects = (entry.get("template", entry.get("label")) if isinstance(entry, dict) else entry for entry in content)
        return [name for name in objects if isinstance(name, str)]
    return []
