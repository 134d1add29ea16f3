"""One search result, of whichever source, as the fields of the table.

Flickr's pages, yt-dlp's information, lines of JSON and rows of CSV differ in the names of the fields alone: each field
is the first of its names that can be read. What cannot be read is a fault, and the record is kept without it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from tools.noisyactions2m import addresses, values

T = TypeVar("T")

# Field -> names, lower case. yt-dlp's `url` is the page only where there are no formats.
NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "video_id", "photo_id"),
    "site": ("site", "extractor_key", "extractor", "ie_key"),
    "title": ("title", "fulltitle"),
    "description": ("description",),
    "owner": ("owner", "channel_id", "uploader_id", "channel", "uploader", "ownername"),
    "licence": ("licence", "license"),
    "tags": ("tags",),
    "machine_tags": ("machine_tags",),
    "comments": ("comments",),
    "uploaded": ("uploaded", "dateupload", "dateuploaded", "timestamp", "upload_date"),
    "taken": ("taken", "datetaken"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng"),
    "accuracy": ("accuracy",),
    "duration": ("duration", "video"),
    "address": ("webpage_url", "address", "original_url", "url"),
    "query": ("query", "playlist", "playlist_title", "playlist_id"),
    "rank": ("rank", "playlist_index"),
}

_SITES = {"youtu.be": "youtube"}
_HOST = re.compile(r"https?://(?:[^/?#]*\.)?([^./?#]+\.[^./?#]+)(?:[/?#]|$)")
_YOUTUBE_ID = re.compile(r"(?:[?&]v=|youtu\.be/|/shorts/|/embed/)([\w-]{11})(?![\w-])")
_FLICKR_ID = re.compile(r"flickr\.com/photos/[^/]+/(\d+)|/video/(\d+)/|/(\d+)_[0-9a-f]+")


class Record(msgspec.Struct, array_like=True):
    """What one result tells of a video; moments in seconds since 1970, coordinates both or neither."""

    site: str
    id: str
    title: str | None = None
    description: str | None = None
    owner: str | None = None
    licence: str | None = None
    tags: list[str] = []
    comments: list[str] = []
    uploaded: int | None = None
    taken: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    duration: float | None = None
    addresses: list[tuple[str, str]] = []
    queries: list[tuple[str, int | None]] = []

    @property
    def key(self) -> str:
        return f"{self.site}/{self.id}"


class Unusable(Exception):
    """A result that gives no record, with the reason."""


def read_record(
    item: dict[str, Any], site: str = "", query: str = "", rank: int | None = None
) -> tuple[Record, list[str]]:
    """The record and what could not be read of it.

    Args:
      item: the result, as decoded.
      site: where it does not tell its own.
      query: searched for, where it does not tell.
      rank: in the results of `query`.

    Raises:
      Unusable: it is no video, or has no id or no site.
    """
    faults: list[str] = []
    fields = _Fields(item, faults)
    if item.get("media") not in (None, "", "video"):
        raise Unusable(f"no video (media is {values.shown(item['media'])})")
    address = fields.first("address", values.address)
    site = _site(fields.first("site", values.line), address) or site
    name = fields.first("id", values.identifier) or _id_of(address)
    if name is None:
        raise Unusable("; ".join(["no id", *(fault for fault in faults if fault.startswith(NAMES["id"]))]))
    if not site:
        raise Unusable("no site (give --site)")
    latitude, longitude = _place(fields, faults)
    unknown = item.get("datetakenunknown") in ("1", 1)
    record = Record(
        site,
        name,
        title=fields.first("title", values.line),
        description=fields.first("description", values.text),
        owner=fields.first("owner", values.owner),
        licence=fields.first("licence", lambda value: values.licence(value, site)),
        tags=fields.texts("tags", "raw", "|", ",", *([None] if site == "flickr" else []))
        + fields.texts("machine_tags", "raw", None),
        comments=fields.texts("comments", "text", "|"),
        uploaded=fields.first("uploaded", values.uploaded),
        taken=None if unknown else fields.first("taken", values.taken),
        latitude=latitude,
        longitude=longitude,
        duration=fields.first("duration", values.seconds),
        addresses=addresses.of_item(item, address, faults),
        queries=_queries(fields, query, rank),
    )
    return record, faults


def read_comments(item: dict[str, Any]) -> tuple[Record, list[str]]:
    """The `comments` of flickr.photos.comments.getList."""
    faults: list[str] = []
    fields = _Fields({"id": item.get("photo_id"), "comments": item.get("comment")}, faults)
    return Record("flickr", _required_id(fields), comments=fields.texts("comments", "text")), faults


def read_sizes(item: dict[str, Any], name: str) -> tuple[Record, list[str]]:
    """The `sizes` of flickr.photos.getSizes, which tells the id in its addresses alone; else it is `name`."""
    entries = [entry for entry in _list(item.get("size")) if isinstance(entry, dict)]
    found = addresses.listed((entry.get("label"), entry.get("source")) for entry in entries)
    texts = [entry[field] for entry in entries for field in ("url", "source") if isinstance(entry.get(field), str)]
    matches = (_FLICKR_ID.search(text) for text in texts)
    name = next((next(filter(None, match.groups())) for match in matches if match), name)
    return Record("flickr", _required_id(_Fields({"id": name}, [])), addresses=found), []


def flat(photo: dict[str, Any]) -> dict[str, Any]:
    """The `photo` of flickr.photos.getInfo with its dates and place as flickr.photos.search calls them."""
    nested = {name: photo[name] for name in ("dates", "location") if isinstance(photo.get(name), dict)}
    dates, place = nested.get("dates", {}), nested.get("location", {})
    return {
        **photo,
        "dateupload": dates.get("posted"),
        "datetaken": dates.get("taken"),
        "datetakenunknown": dates.get("takenunknown"),
        **{name: place.get(name) for name in ("latitude", "longitude", "accuracy")},
        "comments": None,  # How many there are.
        "url": None,
    }


class _Fields:
    """The fields of a result under any of their names."""

    def __init__(self, item: dict[str, Any], faults: list[str]):
        self._item = item
        self._faults = faults

    def first(self, field: str, read: Callable[[Any], T | None]) -> T | None:
        """The first of the names that can be read."""
        for name in NAMES[field]:
            value = self._item.get(name)
            if value is None:
                continue
            try:
                found = read(value)
            except ValueError as error:
                self._faults.append(f"{name}: {error}")
                continue
            if found is not None:
                return found
        return None

    def texts(self, field: str, key: str, *separators: str | None) -> list[str]:
        """A list of texts, each once.

        Args:
          field: its name.
          key: of the text in entries that are objects.
          separators: where it is one text, the first one of these in it divides it; None stands for blanks.
        """
        for name in NAMES[field]:
            value = self._item.get(name)
            if value is None:
                continue
            if isinstance(value, str):
                separator = next((mark for mark in separators if mark is None or mark in value), "\0")
                entries: Sequence[Any] = value.split(separator)
            else:
                entries = _list(value)
            found: dict[str, None] = {}
            wrong = 0
            for entry in entries:
                try:
                    text = values.text(entry.get(key, entry) if isinstance(entry, dict) else entry)
                except ValueError:
                    wrong += 1
                    continue
                if text:
                    found[text] = None
            if wrong:
                self._faults.append(f"{name}: {wrong} of {len(entries)} are no text")
            return list(found)
        return []


def _required_id(fields: _Fields) -> str:
    name = fields.first("id", values.identifier)
    if name is None:
        raise Unusable("no id")
    return name


def _list(value: Any) -> list[Any]:
    """The list in {"tag": [...]} and {"comment": [...]} too; a single thing is a list of it."""
    if isinstance(value, dict) and len(value) <= 2:
        inner = next((entry for name, entry in value.items() if name in ("tag", "comment")), None)
        if inner is None and "_content" not in value and "text" not in value and not value:
            return []
        value = value if inner is None else inner
    return value if isinstance(value, list) else [] if value is None else [value]


def _site(name: str | None, address: str | None) -> str:
    """ "Youtube" and "youtube:tab" are youtube; a generic name says less than the address."""
    name = (name or "").lower().partition(":")[0]
    if name and name != "generic":
        return name.replace("/", "_").replace(" ", "_")
    host = _HOST.match(address or "")
    return "" if host is None else _SITES.get(host[1].lower(), host[1].lower().partition(".")[0])


def _id_of(address: str | None) -> str | None:
    youtube = _YOUTUBE_ID.search(address or "")
    if youtube:
        return youtube[1]
    flickr = re.search(r"flickr\.com/photos/[^/]+/(\d+)", address or "")
    return flickr[1] if flickr else None


def _place(fields: _Fields, faults: list[str]) -> tuple[float | None, float | None]:
    """Degrees north and east. Flickr says 0, 0 with accuracy 0 where it knows none."""
    latitude, longitude = fields.first("latitude", values.number), fields.first("longitude", values.number)
    if latitude is None or longitude is None:
        if latitude is not None or longitude is not None:
            faults.append("latitude, longitude: one without the other")
        return None, None
    if latitude == longitude == 0 and not fields.first("accuracy", values.number):
        return None, None
    if abs(latitude) > 90 or abs(longitude) > 180:
        faults.append(f"latitude, longitude: impossible place ({latitude:g}, {longitude:g})")
        return None, None
    return latitude, longitude


def _queries(fields: _Fields, query: str, rank: int | None) -> list[tuple[str, int | None]]:
    own = fields.first("query", _texts)
    if own:
        place = fields.first("rank", values.rank)
        return [(text, place) for text in own]
    return [(query, rank)] if query else []


def _texts(value: Any) -> list[str] | None:
    entries: Iterable[Any] = value if isinstance(value, list) else [value]
    found = [text for entry in entries if (text := values.line(entry))]
    return found or None
