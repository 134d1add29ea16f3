"""What ucf6 consists of: clean videos by UCF101's split 1 and groups, uploads by `web_segments.csv`."""

import csv
import dataclasses
import itertools
import pathlib

from tools.ucf101_hmdb51.ucf101 import Split, Video

CLASSES = ("Archery", "BasketballDunk", "HorseRace", "PlayingPiano", "PlayingViolin", "Surfing")

# Test is the official split 1 (groups 1-7), the uploads were cut from groups 12-25.
_TARGET_GROUPS = range(8, 12)

_FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Segment:
    """A cut of a UCF101 file, in seconds."""

    source: str
    start: float
    length: float


@dataclasses.dataclass(frozen=True)
class Upload:
    """One web video: a line of web.csv and how it is made.

    An upload is cut from `segments`; or segments is empty and `copied` names the UCF101 file of a test video that was
    uploaded as it is. Such uploads must not leak into training.
    """

    video_id: str
    query: str
    language: str
    rank: str
    crf: int
    segments: tuple[Segment, ...]
    copied: str

    @property
    def path(self) -> str:
        return f"web/{self.video_id}.mp4"


def video_path(file_name: str) -> str:
    """Where a whole UCF101 file goes."""
    return f"videos/{pathlib.Path(file_name).stem}.mp4"


def clean_videos(split: Split) -> tuple[list[Video], list[Video]]:
    """Target and test videos of the six classes, sorted by name."""
    target = [video for video in split.train if video.class_name in CLASSES and video.group in _TARGET_GROUPS]
    test = [video for video in split.test if video.class_name in CLASSES]
    return sorted(target, key=lambda video: video.file_name), sorted(test, key=lambda video: video.file_name)


def read_uploads() -> list[Upload]:
    """All uploads in web.csv's order."""
    cuts = {
        video_id: list(rows)
        for video_id, rows in itertools.groupby(_read("web_segments.csv"), key=lambda row: row["video_id"])
    }
    return [_upload(row, cuts[row["video_id"]]) for row in _read("uploads.csv")]


def manifest_rows(videos: list[Video]) -> list[tuple]:
    """target_train.csv and test.csv."""
    return [("path", "label"), *((video_path(video.file_name), video.class_name) for video in videos)]


def web_rows(uploads: list[Upload]) -> list[tuple]:
    """web.csv."""
    header = ("video_id", "path", "query", "language", "rank", "address")
    return [
        header,
        *((u.video_id, u.path, u.query, u.language, u.rank, f"watch?v={u.video_id}") for u in uploads),
    ]


def truth_rows(uploads: list[Upload], copied_seconds: dict[str, float]) -> list[tuple]:
    """web_truth.csv: what an upload shows when, for analysis only.

    Args:
      uploads: all of them.
      copied_seconds: length of the uploads that are copies, by video_id.
    """
    rows: list[tuple] = [("video_id", "start_s", "end_s", "action")]
    for upload in sorted(uploads, key=lambda upload: upload.video_id):
        if upload.copied:
            rows.append((upload.video_id, 0.0, round(copied_seconds[upload.video_id], 3), _class_of(upload.copied)))
        end = 0.0
        for segment in upload.segments:
            start, end = end, end + segment.length
            rows.append((upload.video_id, round(start, 3), round(end, 3), _class_of(segment.source)))
    return rows


def _class_of(file_name: str) -> str:
    """The class of a file of the six classes: here, unlike in all of UCF101, the name tells it."""
    return file_name.split("_")[1]


def _upload(row: dict[str, str], cuts: list[dict[str, str]]) -> Upload:
    cuts = sorted(cuts, key=lambda cut: int(cut["order"]))
    if not cuts[0]["length_s"]:
        return Upload(**row, crf=0, segments=(), copied=cuts[0]["source"])
    segments = tuple(Segment(cut["source"], float(cut["start_s"]), float(cut["length_s"])) for cut in cuts)
    return Upload(**row, crf=int(cuts[0]["crf"]), segments=segments, copied="")


def _read(name: str) -> list[dict[str, str]]:
    with open(_FOLDER / name, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))
