"""Sentences of caption files: what people wrote under pictures and videos.

JSON in any nesting gives the texts of its keys caption(s), sentence(s), phrase and raw, and of lists of tokens: COCO,
Visual Genome, MSR-VTT, ActivityNet Captions and Entities, SBU. A CSV file gives its column of that name. Other files
give a sentence a line; in a line with tabs it is the cell of the most words (Flickr30k, TGIF, Conceptual Captions).
"""

import os
import pathlib
from collections.abc import Iterator
from typing import Any

from spl_tf.data.lists import csv_tables
from spl_tf.errors import UserError
from tools.noisyactions2m import json_pieces
from tools.noisyactions2m.class_names import lines_of

_KEYS = ("caption", "captions", "sentence", "sentences", "phrase", "raw")
_TOKENS = "tokens"


def read_captions(path: str | os.PathLike[str]) -> Iterator[str]:
    """The sentences of a file in its order, repeated ones included.

    Raises:
      UserError: the file is missing or not of its form.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".json":
        return _of_json_file(path)
    if path.suffix.lower() == ".csv":
        return _of_table(path)
    return _of_lines(path)


def _of_table(path: pathlib.Path) -> Iterator[str]:
    lines = csv_tables.read_lines(path, "--captions")
    columns, rows = csv_tables.table(path, lines, csv_tables.widest_delimiter(lines))
    column = next((name for name in columns if name.lower() in (*_KEYS, "description", "text")), None)
    if column is None:
        raise UserError(f"{path} has no column caption, sentence, description or text: name it so in the header")
    return (row[column] for row in rows)


def _of_lines(path: pathlib.Path) -> Iterator[str]:
    lines = (line.rstrip("\r\n") for line in lines_of(path, "--captions"))
    return (max(line.split("\t"), key=lambda cell: len(cell.split())) for line in lines if line.strip())


def _of_json_file(path: pathlib.Path) -> Iterator[str]:
    """Visual Genome's files have close to a gigabyte: they are read piece by piece."""
    if not path.is_file():
        raise UserError(f"{path} is no file: check --captions")
    try:
        with open(path, encoding="utf-8-sig") as opened:
            for name, piece in json_pieces.read(opened, whole=_TOKENS):
                yield from _of_json(name, piece)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise UserError(f"{path} is no JSON ({reason}): check --captions") from error


def _of_json(name: str | None, content: Any) -> Iterator[str]:
    """Goes through a tree without recursion: it may be nested deeper than Python's stack."""
    waiting = [iter([(name, content)])]
    while waiting:
        name, value = next(waiting[-1], (None, None))
        if name is None:
            waiting.pop()
        elif isinstance(value, str):
            if name in _KEYS:
                yield value
        elif isinstance(value, dict):
            waiting.append(iter(value.items()))
        elif isinstance(value, list) and name == _TOKENS:
            yield " ".join(token for token in value if isinstance(token, str))
        elif isinstance(value, list):
            waiting.append(iter([(name, entry) for entry in value]))
