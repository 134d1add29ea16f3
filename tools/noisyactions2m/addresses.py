"""The addresses of a search result: its page, and those of its files that last."""

from collections.abc import Iterable
from typing import Any

from tools.noisyactions2m import values


def of_item(item: dict[str, Any], page: str | None, faults: list[str]) -> list[tuple[str, str]]:
    """(size, url): the page, Flickr's url_o, url_m and so on, and formats of yt-dlp whose address does not expire.

    Args:
      item: the result, as decoded.
      page: its address.
      faults: gets what was left out.
    """
    flickr = []
    for name, url in item.items():
        if name.startswith("url_") and url is not None:
            if isinstance(url, str):
                flickr.append((name.removeprefix("url_"), url))
            else:
                faults.append(f"addresses: {values.shown(name)} is no address ({values.kind(url)})")
    return listed([("page", page), *flickr, *_formats(item.get("formats"), faults)])


def listed(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[str, str]]:
    """The pairs that are a text and an address, each once."""
    found: dict[tuple[str, str], None] = {}
    for size, url in pairs:
        if isinstance(url, str) and (address := values.address(url)):
            found[values.line(size if isinstance(size, str | int) else "") or "", address] = None
    return list(found)


def _formats(formats: Any, faults: list[str]) -> list[tuple[Any, str]]:
    if formats is None:
        return []
    if not isinstance(formats, list):
        faults.append(f"formats: {values.kind(formats)} instead of a list")
        return []
    given = [(entry.get("format_id"), entry.get("url")) if isinstance(entry, dict) else (None, 0) for entry in formats]
    readable = [(size, url) for size, url in given if isinstance(url, str)]
    lasting = [(size, url) for size, url in readable if "expire" not in url]
    if wrong := sum(url is not None for _, url in given) - len(readable):
        faults.append(f"formats: {wrong} of {len(formats)} have no address")
    if len(lasting) < len(readable):
        faults.append(f"formats: {len(readable) - len(lasting)} of {len(formats)} addresses expire, left out")
    return lasting
