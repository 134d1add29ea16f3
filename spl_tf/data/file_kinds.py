"""What a file's suffix says it is: a picture that is read, a video, or nothing that shows anything.

A suffix can be wrong. It is asked where opening a million files would take hours, and where a decoder would take
a text for a film: FFmpeg renders `.txt`, `.nfo` and `.ans` as one.
"""

import os

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

# The first one wins where an upload was saved in several forms.
VIDEO_SUFFIXES = (
    *(".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".flv", ".3gp", ".mpg", ".mpeg", ".ts", ".ogv"),
    *(".wmv", ".asf", ".3g2", ".m2ts", ".mts", ".vob", ".f4v", ".divx"),
)

_OTHERS = {
    "text file": (
        *(".txt", ".nfo", ".ans", ".asc", ".diz", ".ice", ".xbin", ".md", ".rst", ".log", ".csv", ".tsv", ".json"),
        *(".jsonl", ".xml", ".html", ".htm", ".yaml", ".yml", ".ini", ".cfg", ".py", ".sh", ".description", ".url"),
    ),
    "subtitle file": (".srt", ".vtt", ".ass", ".ssa", ".sub", ".idx", ".lrc", ".sbv", ".ttml", ".smi", ".sup"),
    "sound file": (
        *(".mp3", ".m4a", ".m4b", ".aac", ".ac3", ".eac3", ".wav", ".flac", ".opus", ".oga", ".wma", ".aiff", ".aif"),
        *(".amr", ".ape", ".mka", ".mid", ".midi"),
    ),
    "playlist": (".m3u", ".m3u8", ".pls", ".mpd", ".ffconcat", ".asx", ".xspf", ".cue", ".sdp"),
    "archive": (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"),
    "document": (".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".epub", ".ps", ".eps"),
    "unfinished download": (".part", ".ytdl", ".crdownload", ".download", ".aria2"),
    "array file": (".npy", ".npz", ".pkl", ".pickle", ".h5", ".hdf5", ".mat", ".pt", ".pth", ".parquet", ".tfrecord"),
    "image of a format that is not read": (
        *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".ico", ".exr", ".hdr", ".tga"),
        *(".cr2", ".nef", ".arw", ".dng"),
    ),
}
_KINDS = {suffix: kind for kind, suffixes in _OTHERS.items() for suffix in suffixes}


def is_image(path: str) -> bool:
    """Whether a file is taken for an image, by its suffix."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def is_video_or_image(path: str) -> bool:
    """Whether a path has the suffix of a video or of an image."""
    return path.lower().endswith((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, ".gif"))


def kind_without_picture(path: str) -> str:
    """What a file is called that shows nothing, e.g. "text file"; empty for all others, also those of no suffix."""
    return _KINDS.get(os.path.splitext(path)[1].lower(), "")
