"""The query list as its readers need it: what was searched for, and which class of which data set it comes from."""

import dataclasses
import pathlib
import re
from collections.abc import Iterable, Sequence

from spl_tf import files
from spl_tf.errors import UserError
from tools.collect import tables
from tools.noisyactions2m.lemmas import lemmatised

COLUMNS = ("query", "kind", "origins")
CLASS, SENTENCE = "class", "sentence"

_PIECE = re.compile(r"\\(.)|([|:])|([^\\|:]+)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class QueryRow:
    """A row of queries.csv.

    Attributes:
      query: lemmatised; what a video was found with.
      kind: "class" or "sentence".
      origins: pairs (data set, its name for the class).
    """

    query: str
    kind: str
    origins: tuple[tuple[str, str], ...] = ()


def read(path: files.Path, flag: str = "--queries") -> list[QueryRow]:
    """The rows of a query list.

    Raises:
      UserError: it is no such table, or a row has another kind, no query or origins that cannot be read.
    """
    rows = []
    for number, row in enumerate(tables.read(pathlib.Path(path), COLUMNS, flag), 1):
        if not row["query"] or row["kind"] not in (CLASS, SENTENCE):
            raise UserError(f"row {number} of {path} has no query or a kind other than class and sentence: mend it")
        try:
            rows.append(QueryRow(row["query"], row["kind"], origins(row["origins"])))
        except ValueError as error:
            raise UserError(f"row {number} of {path} has the origins {row['origins']!r}: {error}") from error
    return rows


def class_rows(rows: Sequence[QueryRow]) -> list[QueryRow]:
    """The classes, each query once, in the order of the list."""
    return list({row.query: row for row in reversed(rows) if row.kind == CLASS}.values())[::-1]


class Lookup:
    """Finds the query that a search text stands for."""

    def __init__(self, queries: Iterable[str]):
        """Of queries that differ in case alone the lower-case one counts, else the first; each is found by itself."""
        listed = list(queries)
        self._known = {query: query for query in listed}
        for query in listed:
            self._known.setdefault(query.casefold(), query)
        self._found: dict[str, str | None] = {}

    def find(self, text: str) -> str | None:
        """The query that is the text but for case, else its base forms: who searches may take the class's own name."""
        if text not in self._found:
            found = self._known.get(text) or self._known.get(text.casefold())
            self._found[text] = found or self._known.get(lemmatised(text))
        return self._found[text]


def origins(cell: str) -> tuple[tuple[str, str], ...]:
    r"""The pairs of a cell like "UCF101:BasketballDunk|Kinetics400:dunking"; "\|", "\:", "\\" are the characters.

    Raises:
      ValueError: a pair lacks its colon or a name, or has two colons.
    """
    pairs: list[list[str]] = [[""]]
    end = 0
    for match in _PIECE.finditer(cell):
        escaped, separator, plain = match.groups()
        if match.start() != end:
            break
        end = match.end()
        if separator == "|":
            pairs.append([""])
        elif separator == ":":
            pairs[-1].append("")
        else:
            pairs[-1][-1] += escaped or plain
    if end < len(cell):
        raise ValueError("a backslash at the end escapes nothing")
    if not cell:
        return ()
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError("not data set:class|data set:class|...")
    return tuple((source, name) for source, name in pairs)
