"""Addresses of uploads, written so that two forms of the same one are equal."""

import re
import urllib.parse

_YOUTUBE_HOSTS = ("youtube.com", "youtube-nocookie.com", "youtu.be")
_YOUTUBE_PATH = re.compile(r"/(?:shorts|embed|live|v|e)/([^/]+)")
_TRACKING = re.compile(r"utm_.*|fbclid|gclid|igshid", re.IGNORECASE)
# Elsewhere these may choose the video.
_YOUTUBE_TRACKING = re.compile(rf"{_TRACKING.pattern}|si|feature|ref|ref_src|t|start|ab_channel|pp", re.IGNORECASE)


def normalized_address(address: str) -> str:
    """A comparable form of a video's address; empty for an empty one.

    `https://www.youtube.com/watch?v=X&t=3`, `youtu.be/X`, `youtube.com/shorts/X`, `.../embed/X` and
    the bare `watch?v=X` of a search result become `youtube.com/watch?v=X`. Any other address loses
    scheme, `www.` or `m.`, a final slash, the fragment, and parameters that only track the visitor;
    the case of its host is ignored.
    """
    address = address.strip()
    if not address:
        return ""
    try:
        parts = urllib.parse.urlsplit(_with_host(address))
        host, port = parts.hostname or "", parts.port
    except ValueError:  # No address, e.g. an unclosed bracket.
        return address
    host = re.sub(r"^(www|m|music)\.", "", host)
    parameters = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    tracking = _TRACKING
    if host in _YOUTUBE_HOSTS:
        tracking = _YOUTUBE_TRACKING
        video = _youtube_id(host, parts.path, dict(parameters))
        if video:
            return f"youtube.com/watch?v={video}"
    kept = sorted((name, value) for name, value in parameters if not tracking.fullmatch(name))
    query = f"?{urllib.parse.urlencode(kept)}" if kept else ""
    return f"{host}{f':{port}' if port not in (None, 80, 443) else ''}{parts.path.rstrip('/')}{query}"


def _with_host(address: str) -> str:
    """Search results give `watch?v=X` or `/watch?v=X`; people leave out the scheme."""
    if re.match(r"/?(watch\?|shorts/|embed/)", address):
        return f"https://youtube.com/{address.lstrip('/')}"
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", address):
        return address
    return f"https://{address.lstrip('/')}"


def _youtube_id(host: str, path: str, parameters: dict[str, str]) -> str:
    if host == "youtu.be":
        return path.strip("/").split("/")[0]
    in_path = _YOUTUBE_PATH.match(path)
    return in_path.group(1) if in_path else parameters.get("v", "")
