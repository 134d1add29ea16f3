"""HTML that names cannot break: whatever is not markup already is escaped.

Most of the page is tables and charts whose cells and points are computed. Jinja2 takes more lines for the same markup:
each of its templates repeats the names of what it is given.
"""

import dataclasses
import html
from collections.abc import Mapping, Sequence

_WITHOUT_CONTENT = frozenset({"br", "img", "link", "meta"})


class Html(str):
    """Markup. A plain string is text, and is escaped where it is put into markup."""


def joined(*parts: str) -> Html:
    return Html("".join(part if isinstance(part, Html) else html.escape(part, quote=False) for part in parts))


def element(tag: str, *content: str, **attributes: object) -> Html:
    """An element of HTML or SVG.

    Args:
      tag: its name.
      content: text and markup.
      attributes: by name, None leaves one out. `class_` and `data_cell` stand for class and data-cell.
    """
    described = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _WITHOUT_CONTENT:
        return Html(f"<{tag}{described}>")
    return Html(f"<{tag}{described}>{joined(*content)}</{tag}>")


def scrolling(content: str, label: str) -> Html:
    """What may be wider than a phone: it scrolls by itself, by keyboard too."""
    return element("div", content, class_="scroll", role="region", aria_label=label, tabindex=0)


def table(
    identity: str, caption: str, columns: Mapping[str, str], rows: Sequence[Sequence[str]], *, texts: Sequence[str] = ()
) -> Html:
    """A table whose first column names its rows.

    Args:
      identity: its id.
      caption: what it shows.
      columns: key -> heading; a cell carries the key as data-column.
      rows: cells in the order of the columns; a row carries its first cell as data-row.
      texts: keys of columns with words; the others hold numbers.
    """
    words = {next(iter(columns)), *texts}

    def kind(key: str) -> str | None:
        return None if key in words else "number"

    header = [element("th", heading, scope="col", class_=kind(key)) for key, heading in columns.items()]
    body = []
    for first, *others in rows:
        cells = [element("th", first, scope="row")]
        keys = list(columns)[1:]
        cells += [
            element("td", cell, data_column=key, class_=kind(key)) for key, cell in zip(keys, others, strict=True)
        ]
        body.append(element("tr", *cells, data_row=first))
    content = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *header)),
        element("tbody", *body),
        id=identity,
    )
    return scrolling(content, caption)


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page: its id, its heading, and the markup below that."""

    identity: str
    title: str
    content: Html

    @property
    def markup(self) -> Html:
        heading = element("h2", self.title, id=f"{self.identity}-title")
        return element("section", heading, self.content, id=self.identity, aria_labelledby=f"{self.identity}-title")


def section(identity: str, title: str, *content: str) -> Section:
    return Section(identity, title, joined(*content))
