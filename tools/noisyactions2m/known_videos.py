"""What the table of metadata, or a manifest, knows of the videos of a list."""

import dataclasses
import os
import pathlib
import urllib.parse
from collections.abc import Collection, Iterable, Mapping, Sequence

import tqdm

from spl_tf.data.file_kinds import is_video_or_image
from spl_tf.data.lists.labels import texts
from tools.collect import tables
from tools.collect.query_list import squeezed
from tools.noisyactions2m import table

_COLUMNS = ("key", "site", "id", "title", "duration", "addresses", "queries")
_PAGE = "page"


@dataclasses.dataclass(frozen=True)
class Known:
    """One video.

    Attributes:
      key: of its row in the table; empty where it has none.
      name: its files are called so.
      title: empty when unknown.
      seconds: length; None when unknown.
      address: where it can be fetched; empty when unknown.
      queries: texts it was found with.
      rank: the best of its ranks in the results of these; None when unknown.
      path: of its file, where a manifest names it.
    """

    key: str = ""
    name: str = ""
    title: str = ""
    seconds: float | None = None
    address: str = ""
    queries: tuple[str, ...] = ()
    rank: int | None = None
    path: str = ""


def of_table(path: str, wanted: Collection[str]) -> tuple[dict[str, Known], set[str]]:
    """The rows of videos that are named by their key or, where it is of one row only, by their id.

    Args:
      path: of the table of metadata.
      wanted: names of videos.

    Returns:
      By these names; and the names that are ids of several rows.

    Raises:
      UserError: the table cannot be read.
    """
    found: dict[str, Known] = {}
    several: set[str] = set()
    for batch in tqdm.tqdm(table.read_rows(path, _COLUMNS), desc="metadata", unit="batch", delay=1):
        keys, ids = batch.column("key").to_pylist(), batch.column("id").to_pylist()
        for place, (key, name) in enumerate(zip(keys, ids, strict=True)):
            named = key if key in wanted else name
            if named not in wanted:
                continue
            if named in found:
                several.add(named)
            row = batch.slice(place, 1).to_pylist()[0]
            ranks = [query["rank"] for query in row["queries"] or [] if query["rank"] is not None]
            found[named] = Known(
                key=key,
                name=name,
                title=squeezed(row["title"] or ""),
                seconds=row["duration"],
                address=_address([(entry["size"], entry["url"]) for entry in row["addresses"] or []]),
                # Queries are separated by | in a manifest.
                queries=tuple(query["query"].replace("|", " ") for query in row["queries"] or []),
                rank=min(ranks, default=None),
            )
    return {name: known for name, known in found.items() if name not in several}, several


def of_manifest(path: str) -> dict[str, Known]:
    """The videos of a CSV file with the columns video_id and path; perhaps key, address, rank, title, queries, query.

    Of several rows of a video the first counts, but for its rank, which is the best.
    """
    found: dict[str, Known] = {}
    for row in tables.read(path, ("video_id", "path"), "--paths"):
        name, listed = row["video_id"], row["path"]
        file = os.path.join(pathlib.Path(path).parent, listed) if listed else ""
        rank = int(row["rank"]) if row.get("rank", "").isdecimal() else None
        known = Known(
            key=row.get("key", ""),
            name=name,
            title=row.get("title", ""),
            address=row.get("address", ""),
            queries=tuple(texts(row.get("queries")) or texts(row.get("query"))),
            rank=rank,
            path=file if os.path.isfile(file) else "",
        )
        first = found.setdefault(name, known)
        ranks = [one for one in (first.rank, rank) if one is not None]
        found[name] = dataclasses.replace(first, rank=min(ranks, default=None))
    return found


def joined(of_rows: Mapping[str, Known], of_files: Mapping[str, Known], name: str) -> Known:
    """The two together: the table's word holds, the manifest's where it has none."""
    row, file = of_rows.get(name, Known()), of_files.get(name, Known())
    fields = [field.name for field in dataclasses.fields(Known)]
    values = {field: getattr(row, field) or getattr(file, field) for field in fields}
    return Known(**values | {"name": values["name"] or name})


def _address(addresses: Sequence[tuple[str | None, str]]) -> str:
    """The page, else an address that is none of a file, else the first: downloaders know a page's id by it."""
    pages: Iterable[str] = (url for size, url in addresses if size == _PAGE)
    others = (url for _, url in addresses if not is_video_or_image(urllib.parse.urlsplit(url).path))
    return next(iter([*pages, *others, *(url for _, url in addresses)]), "")
