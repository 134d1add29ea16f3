"""Tables and counts as plain text for the terminal. Chinese, Japanese and Korean characters take two columns."""

import collections
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import tabulate

# Tabulate would make columns two wider than their headings: a recipe's table is to fit 80 characters.
tabulate.MIN_PADDING = 0
_SIDES = {"<": "left", ">": "right"}


def aligned_table(rows: Iterable[Sequence[str]], aligned: str) -> str:
    """Columns of text, each aligned left (<) or right (>)."""
    return textwrap.indent(_table(rows, (), "plain", aligned), "  ")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A first column of names, aligned left, and columns of numbers, aligned right."""
    return _table(rows, header, "pipe", "<" + ">" * (len(header) - 1))


def counted(kinds: Iterable[str] | Mapping[str, int]) -> str:
    """How often each occurs, or as a mapping says, the most frequent first: "not there 1,200, too short 3"."""
    return ", ".join(f"{kind} {count:,}" for kind, count in collections.Counter(kinds).most_common())


def reason_kind(reason: str) -> str:
    """What reasons are counted by: "too short" of "too short (0.4 s)"."""
    return reason.partition(" (")[0]


def _table(rows: Iterable[Sequence[str]], header: Sequence[str], form: str, aligned: str) -> str:
    sides = [_SIDES[side] for side in aligned]
    # A class may be called "1e5".
    return tabulate.tabulate(rows, header, form, colalign=sides, disable_numparse=True)
