"""The query list: which text is searched for on behalf of which class, in which language."""

import dataclasses
import pathlib
import re
import unicodedata
from collections.abc import Sequence

from spl_tf.errors import UserError
from tools.collect import tables

COLUMNS = ("query", "language", "text", "source")

# PlayingPiano -> Playing Piano, HTMLPage -> HTML Page.
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclasses.dataclass(frozen=True)
class Query:
    """One search.

    Attributes:
      class_name: as in the classes file; the column `query`, the weak label of what is found.
      language: e.g. "en".
      text: what is typed into the search box.
      source: where the text comes from: "class name", or what the translations file says.
    """

    class_name: str
    language: str
    text: str
    source: str = ""


@dataclasses.dataclass(frozen=True)
class Match:
    """A class a text was searched for; `language` joins several by | when the text is the same in them."""

    class_name: str
    language: str
    position: int


def words(class_name: str) -> str:
    """A class name as one would type it: PlayingPiano and playing_piano become "playing piano".

    A name with spaces is left as it is; words of capitals only (BMX) stay capitals.
    """
    if any(letter.isspace() for letter in class_name.strip()):
        return squeezed(class_name)
    parts = _CAPITAL.sub(" ", class_name.replace("_", " ")).split()
    return " ".join(part if len(part) > 1 and part.isupper() else part.lower() for part in parts)


def squeezed(text: str) -> str:
    """The text on one line, with single spaces."""
    return " ".join(text.split())


def make(classes: Sequence[str], terms: Sequence[Query], languages: Sequence[str]) -> list[Query]:
    """The query list, in the order of the classes, then of the languages, then of the terms.

    English comes from the class name unless there are English terms for the class. A class without terms in a
    language has no query in it (see `missing`).
    """
    given: dict[tuple[str, str], list[Query]] = {}
    for term in terms:
        if term.text:
            given.setdefault((term.class_name, term.language), []).append(term)
    queries: dict[tuple[str, str, str], Query] = {}
    for class_name in classes:
        for language in languages:
            found = given.get((class_name, language), [])
            if not found and language == "en":
                found = [Query(class_name, language, words(class_name), "class name")]
            for query in found:
                queries.setdefault((class_name, language, key(query.text)), query)
    return list(queries.values())


def missing(queries: Sequence[Query], classes: Sequence[str], languages: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs (class, language) without a query."""
    there = {(query.class_name, query.language) for query in queries}
    return [(name, language) for name in classes for language in languages if (name, language) not in there]


def key(text: str) -> str:
    """What two spellings of one search text share: search engines mind neither case nor spaces."""
    return squeezed(unicodedata.normalize("NFKC", text)).casefold()


def by_text(queries: Sequence[Query]) -> dict[str, list[Query]]:
    """`key` of a text -> the queries with it, in the order of the list."""
    found: dict[str, list[Query]] = {}
    for query in queries:
        found.setdefault(key(query.text), []).append(query)
    return found


def read(path: str | pathlib.Path, flag: str = "--queries") -> list[Query]:
    """Reads a query list.

    Raises:
      UserError: it is no such table, has no rows, or a row lacks its class or text.
    """
    rows = tables.read(path, COLUMNS[:3], flag)
    if not rows:
        raise UserError(f"{path} has no rows: make it with tools.collect.queries")
    for number, row in enumerate(rows, 1):
        if not row["query"] or not row["text"]:
            raise UserError(f"row {number} of {path} has no query or no text: mend or remove it")
    return [Query(row["query"], row["language"], row["text"], row.get("source", "")) for row in rows]


class Index:
    """Finds the classes a search was made for."""

    def __init__(self, queries: Sequence[Query]):
        self._queries = by_text(queries)
        self._positions: dict[tuple[str, str], int] = {}
        self._classes: dict[str, int] = {}
        for position, query in enumerate(queries):
            self._positions.setdefault((query.class_name, key(query.text)), position)
            self._classes.setdefault(query.class_name, position)

    def find(self, text: str, class_name: str = "", language: str = "") -> list[Match]:
        """One match per class, in the order of the list; none for a search the list does not have.

        Args:
          text: searched for; where it is empty, `class_name` alone decides, or is the text when it is no class.
          class_name: only this class, when given.
          language: only this language, when given.
        """
        if not text:
            if class_name in self._classes:
                return [Match(class_name, language, self._classes[class_name])]
            text, class_name = class_name, ""
        languages: dict[str, list[str]] = {}
        for query in self._queries.get(key(text), ()):
            if class_name in ("", query.class_name) and language in ("", query.language):
                languages.setdefault(query.class_name, []).append(query.language)
        return [
            Match(name, "|".join(dict.fromkeys(found)), self._positions[name, key(text)])
            for name, found in languages.items()
        ]
