"""Opens a local file as a video and nothing else.

A playlist or a concat script makes FFmpeg read other files, text is rendered as a picture, the cover of a song is a
video of one frame. So only the containers of video are tried, only over the file protocol, and a cover is no video.
"""

import os
import stat

import av
import av.container
from av.stream import Disposition
from av.video.stream import VideoStream

from spl_tf.data.video.errors import UnreadableError

# FFmpeg's demuxers of video in one file.
_CONTAINERS = (
    "mov",
    "matroska",
    "avi",
    "mpegts",
    "mpeg",
    "flv",
    "asf",
    "ogg",
    "gif",
    "mxf",
    "dv",
    "rm",
    "nut",
    "ivf",
    "gxf",
    "nsv",
    "h264",
    "hevc",
    "av1",
    "obu",
    "m4v",
    "mpegvideo",
    "vc1",
    "mjpeg",
    "yuv4mpegpipe",
)
_OPTIONS = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "file", "enable_drefs": "0"}
# What the first bytes say of a file that is none of these.
_SIGNATURES = (
    (b"#EXTM3U", "a playlist"),
    (b"[playlist]", "a playlist"),
    (b"ffconcat", "a concat script"),
    (b"<", "XML or HTML: maybe a web page or a playlist"),
    (b"\xff\xd8\xff", "a JPEG image: give it the suffix .jpg"),
    (b"\x89PNG", "a PNG image: give it the suffix .png"),
)
# Checksums and the ends of pictures are compared with what was decoded, which FFmpeg leaves out where no one asks.
_DECODER_OPTIONS = {"err_detect": "crccheck+bitstream+buffer+aggressive"}
_NOT_OPENED = "cannot be opened as a video"


def open_video(path: str) -> tuple[av.container.InputContainer, VideoStream]:
    """The container and its first stream of pictures, to be decoded in one thread.

    There is a worker per core, and damaged streams then decode alike everywhere.

    Raises:
      UnreadableError: it is no regular file, none of the known containers, or holds no video that can be decoded.
    """
    _require_regular(path)
    try:
        container = av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, UnicodeError) as error:
        raise UnreadableError(_NOT_OPENED, _what_it_is(path)) from error
    try:
        stream = _video_stream(container)
    except UnreadableError:
        container.close()
        raise
    stream.codec_context.thread_count = 1
    stream.codec_context.options = _DECODER_OPTIONS
    return container, stream


def names(container: av.container.InputContainer, stream: VideoStream) -> str:
    """Codec and container, as in "h264 in mov"."""
    return f"{stream.codec_context.codec.canonical_name} in {_name(container)}"


def _name(container: av.container.InputContainer) -> str:
    return container.format.name.split(",")[0]


def _video_stream(container: av.container.InputContainer) -> VideoStream:
    pictures = container.streams.video
    for stream in pictures:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnreadableError("no decoder for its codec", f"(in {_name(container)})")
            return stream
    what = "sound with a cover" if pictures else "only sound" if container.streams.audio else "no stream of pictures"
    raise UnreadableError("holds no video", f"({what}, {_name(container)})")


def _require_regular(path: str) -> None:
    """Asks what the file is before it is opened, which a FIFO without a writer would never let end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnreadableError("not a file")
        os.close(os.open(path, os.O_RDONLY))
    except (OSError, ValueError) as error:
        raise UnreadableError("cannot be read", f"({getattr(error, 'strerror', None) or error})") from error


def _what_it_is(path: str) -> str:
    with open(path, "rb") as opened:
        head = opened.read(1024)
    if not head:
        return "(an empty file)"
    for signature, what in _SIGNATURES:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(signature):
            return f"({what})"
    is_text = not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return "(text)" if is_text else "(of no known container, or damaged at its beginning)"
