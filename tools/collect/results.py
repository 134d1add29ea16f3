"""Search results as they come: yt-dlp's .info.json files, or a CSV file.

What yt-dlp writes for a result of `ytsearch50:playing piano`: `id`, `webpage_url`, `title`, `duration`
(seconds) of the video, and of the search `playlist` (= `playlist_title` = `playlist_id`, the text searched for) and
`playlist_index` (the rank, from 1). Fields that are unknown are absent. The search itself may leave a file too,
with `_type` "playlist".
"""

import dataclasses
import json
import math
import os
import pathlib
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence

import tqdm

from spl_tf.data.file_kinds import VIDEO_SUFFIXES
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from tools.collect import tables
from tools.collect.query_list import squeezed

_INFO = ".info.json"

# No video is called like yt-dlp's halves (.f137.mp4) and unfinished files (.mp4.part): their stem is another one.
# By default yt-dlp calls a file `Title [id].mp4`.
_ID_IN_BRACKETS = re.compile(r".*\[([^\[\]]+)\]", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Result:
    """An upload that a search found.

    Attributes:
      source: the file, or the file and row, it was read from.
      fault: why it cannot be used, else empty.
      text: searched for; empty where only the class is known.
      class_name: of the query, where the source tells it.
      language: of the query, where the source tells it.
      rank: position in the search's results; None when unknown.
      seconds: length of the video; None when unknown.
      site: yt-dlp's name of the site; an id is unique within it.
      path: of the downloaded file; empty when there is none.
    """

    source: str
    fault: str = ""
    video_id: str = ""
    text: str = ""
    class_name: str = ""
    language: str = ""
    rank: int | None = None
    seconds: float | None = None
    address: str = ""
    title: str = ""
    site: str = ""
    path: str = ""


def read(sources: Sequence[pathlib.Path]) -> list[Result]:
    """Reads folders of .info.json files (searched in depth) and CSV files.

    Raises:
      UserError: a source does not exist, a folder has no .info.json file, a CSV file is no table or has neither
        a column `text` nor `query`.
    """
    results = []
    for source in sources:
        results.extend(_read_folder(source) if source.is_dir() else _read_table(source))
    return results


def videos_by_stem(folder: str | os.PathLike) -> dict[str, str]:
    """File name without suffix -> path, of the video files of a folder and those below it.

    `Title [id].mp4` is found by `id` too, where no other file is called so.
    """
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for stem, path in _videos(place, names).items():
            found.setdefault(stem, path)
    return _with_ids_in_brackets(found)


def _with_ids_in_brackets(videos: dict[str, str]) -> dict[str, str]:
    in_brackets: dict[str, str] = {}
    for stem, path in videos.items():
        if name := _ID_IN_BRACKETS.fullmatch(stem):
            in_brackets.setdefault(name[1], path)
    return in_brackets | videos


def _videos(folder: str, names: Sequence[str]) -> dict[str, str]:
    """Stem -> path, for the given files of one folder."""
    found: dict[str, tuple[int, str]] = {}
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in VIDEO_SUFFIXES:
            candidate = (VIDEO_SUFFIXES.index(suffix.lower()), name)
            found[stem] = min(candidate, found.get(stem, candidate))
    return {stem: os.path.join(folder, name) for stem, (_, name) in found.items()}


def _read_folder(root: pathlib.Path) -> Iterator[Result]:
    infos = []
    for place, folders, names in os.walk(root):
        folders.sort()
        videos = _with_ids_in_brackets(_videos(place, names))
        infos += [(os.path.join(place, name), videos) for name in sorted(names) if name.endswith(_INFO)]
    if not infos:
        raise UserError(f"{root} has no .info.json file: give the folder yt-dlp --write-info-json wrote to")
    for path, videos in tqdm.tqdm(infos, desc="reading", unit="file"):
        result = _read_info(path, videos)
        if result is not None:
            yield result


def _read_info(path: str, videos: Mapping[str, str]) -> Result | None:
    """One .info.json file; None for that of a search itself.

    Its video has the same stem; where a name was cut off, being too long, the id in brackets tells.
    """
    source = text(path)
    try:
        with open(path, encoding="utf-8-sig") as opened:
            info = json.load(opened)
    except (ValueError, RecursionError) as error:
        return Result(source, fault=f"damaged JSON ({error})")
    except OSError as error:
        return Result(source, fault=f"unreadable file ({error.strerror})")
    if not isinstance(info, dict):
        return Result(source, fault="damaged JSON (not an object)")
    if info.get("_type") in ("playlist", "multi_video"):
        return None
    # Titles may have line breaks, which spreadsheets and batch files do not survive.
    fields = {name: squeezed(text(value)) for name, value in info.items() if isinstance(value, str | int | float)}
    searched = fields.get("playlist") or fields.get("playlist_title") or fields.get("playlist_id", "")
    result = Result(
        source,
        fault="" if searched else "not found by a search (no playlist field)",
        video_id=fields.get("id", ""),
        text=searched,
        seconds=_seconds(fields.get("duration", "")),
        address=fields.get("webpage_url") or fields.get("original_url", ""),
        title=fields.get("title", ""),
        site=fields.get("extractor_key", ""),
        path=videos.get(os.path.basename(path).removesuffix(_INFO)) or videos.get(fields.get("id", ""), ""),
    )
    return _ranked(result, fields.get("playlist_index", ""))


def _read_table(path: pathlib.Path) -> Iterator[Result]:
    if path.suffix.lower() == ".json":
        raise UserError(f"{path} is a JSON file: give its folder to read .info.json files, or a CSV file")
    rows = tables.read(path, (), "--results")
    if not rows:
        raise UserError(f"{path} has no rows: give one line per search result")
    if not {"text", "query"} & rows[0].keys():
        raise UserError(f"{path} has no column 'text' (or 'query'), what was searched for: add it")
    for number, row in enumerate(rows, 1):
        listed = row.get("path", "")
        video = os.path.join(path.parent, listed) if listed else ""
        address = row.get("address", "")
        result = Result(
            f"{path} row {number}",
            video_id=row.get("video_id") or _id_of(address) or pathlib.PurePath(listed).stem,
            text=row.get("text", ""),
            class_name=row.get("query", ""),
            language=row.get("language", ""),
            seconds=_seconds(row.get("duration", "")),
            address=address,
            title=row.get("title", ""),
            path=video if os.path.isfile(video) else "",
        )
        yield _ranked(result, row.get("rank", ""))


def _ranked(result: Result, rank: str) -> Result:
    """The result with its rank, and with a fault where rank or id cannot be used."""
    number = _number(rank)
    if rank and not (number >= 0 and number.is_integer()):
        return dataclasses.replace(result, fault=result.fault or f"unusable rank ({rank!r})")
    fault = "" if result.video_id and not set("\r\n") & set(result.video_id) else "no usable video_id"
    return dataclasses.replace(result, fault=result.fault or fault, rank=int(number) if rank else None)


def _id_of(address: str) -> str:
    """watch?v=ID, youtu.be/ID, /shorts/ID: the parameter v, else the last part of the path."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:  # Half of a bracketed host.
        return ""
    given = urllib.parse.parse_qs(parts.query).get("v")
    return given[0] if given else parts.path.rstrip("/").rpartition("/")[2]


def _seconds(cell: str) -> float | None:
    seconds = _number(cell)
    return seconds if 0 <= seconds < math.inf else None


def _number(cell: str) -> float:
    """nan for what is not a number."""
    try:
        return float(cell)
    except ValueError:
        return math.nan
