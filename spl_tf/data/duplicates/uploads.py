"""Of several copies of an upload one is kept: the intact before the damaged, then the best-ranked, then the first.

It gets the queries of the others. Copies are rows of the same upload, files of equal content, and near-duplicates,
of which one shows most of the other, see `spl_tf.data.duplicates.near_uploads`. Different uploads may share a part;
of a held-out video a piece is too much. Near-duplicate is not transitive: each rejected row is near one that is
kept, or near a held-out video. Images are compared by content only.
"""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Collection, Sequence

import numpy as np
from tqdm import tqdm

from spl_tf import files
from spl_tf.data.duplicates.fingerprint_files import make_fingerprints
from spl_tf.data.duplicates.fingerprints import Interval, can_be_opened
from spl_tf.data.duplicates.held_out import HeldOutFile
from spl_tf.data.duplicates.near_uploads import find_copies
from spl_tf.data.duplicates.pairs import Common
from spl_tf.data.file_kinds import is_image
from spl_tf.data.manifest import Rejection, Video
from spl_tf.data.workers import run_in_workers
from spl_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class _Copy:
    """What an upload is a copy of: the partner's position, the distance, and how it was found out."""

    partner: int
    distance: float
    relation: str


_SAME_ID, _SAME_CONTENT, _NEAR = "same video_id as", "same content as", "near-duplicate of"


def merge_repeated(
    entries: Sequence[Video | Rejection], num_workers: int, seconds_per_video: float
) -> list[Video | Rejection]:
    """Keeps one of the rows with one video_id: they are the same upload, found by several queries.

    Where they name several files, the first that can be opened is kept.

    Args:
      entries: the manifest's rows.
      num_workers: processes.
      seconds_per_video: a file that takes longer to open cannot be.
    """
    ranked = _by_rank(entries)
    groups = collections.defaultdict(list)
    for position, (_, video) in enumerate(ranked):
        groups[video.video_id].append(position)
    several = {_interval(video): None for group in groups.values() for video in _different_files(ranked, group)}
    jobs = list(several)
    results = run_in_workers(can_be_opened, jobs, num_workers=num_workers, seconds_per_job=seconds_per_video)
    opened = {job.path for job, result in zip(jobs, results, strict=True) if result is True}
    copies: dict[int, _Copy] = {}
    for group in groups.values():
        first = next((position for position in group if ranked[position][1].path in opened), group[0])
        copies |= {position: _Copy(first, 0.0, _SAME_ID) for position in group if position != first}
    return _without(copies, entries, ranked, [])


def _different_files(ranked: Sequence[tuple[int, Video]], group: Sequence[int]) -> list[Video]:
    """The rows of a group that names more than one file."""
    videos = [ranked[position][1] for position in group]
    return videos if len({video.path for video in videos}) > 1 else []


def drop_duplicates(
    entries: Sequence[Video | Rejection],
    held_out: Sequence[HeldOutFile],
    folder: pathlib.Path,
    num_workers: int,
    seconds_per_video: float,
) -> list[Video | Rejection]:
    """Replaces all but one of the copies of an upload by rejections, and all copies of held-out videos.

    Args:
      entries: the manifest's rows.
      held_out: existing files of held-out videos, those of the manifests and of rejected uploads.
      folder: where fingerprints are kept, so that a killed run goes on.
      num_workers: processes.
      seconds_per_video: a video that takes longer has no fingerprint.

    Raises:
      OSError: the folder cannot be written to.
    """
    ranked = _by_rank(entries)
    uploads = _uploads(ranked, held_out)
    contents = _contents([upload.path for upload in uploads])
    copies = _equal_content(uploads, contents)
    if compared := _compared(uploads, contents, copies):
        copies |= _near(uploads, contents, compared, folder, num_workers, seconds_per_video)
    return _without(copies, entries, ranked, held_out)


def compared_intervals(entries: Sequence[Video | Rejection], held_out: Sequence[HeldOutFile]) -> list[Interval]:
    """What `drop_duplicates` makes fingerprints of."""
    uploads = _uploads(_by_rank(entries), held_out)
    contents = _contents([upload.path for upload in uploads])
    compared = _compared(uploads, contents, _equal_content(uploads, contents))
    return [_interval(uploads[position]) for position in compared]


def _uploads(ranked: Sequence[tuple[int, Video]], held_out: Sequence[HeldOutFile]) -> list[Video | HeldOutFile]:
    return [*held_out, *(video for _, video in ranked)]


def _compared(uploads: Sequence[Video | HeldOutFile], contents: Sequence[str], copies: Collection[int]) -> list[int]:
    """Positions of the uploads to look for near-duplicates among; none where there is nothing to compare with."""
    firsts: dict[tuple[str, tuple[float, float]], int] = {}  # A file that is held out twice is looked at once.
    for position, upload in enumerate(uploads):
        if position not in copies and not is_image(upload.path):
            firsts.setdefault((contents[position], upload.interval), position)
    compared = list(firsts.values())
    some = any(isinstance(uploads[position], Video) for position in compared) and len(compared) > 1
    return compared if some else []


def _by_rank(entries: Sequence[Video | Rejection]) -> list[tuple[int, Video]]:
    """The videos and their places, the best-ranked first, those of equal rank in the order of the rows."""
    videos = [(place, entry) for place, entry in enumerate(entries) if isinstance(entry, Video)]
    return sorted(videos, key=lambda placed: placed[1].rank)


def _contents(paths: Sequence[str]) -> list[str]:
    """Equal for files of equal content. Only files that share their size with another are read."""
    names = [os.path.realpath(path) for path in paths]
    by_size = collections.defaultdict(list)
    for name in dict.fromkeys(names):
        by_size[os.path.getsize(name)].append(name)
    suspects = [name for group in by_size.values() if len(group) > 1 for name in group]
    digests = {name: _digest(name) for name in tqdm(suspects, desc="equal sizes", unit="file", disable=not suspects)}
    return [digests.get(name, name) for name in names]


def _digest(path: str) -> str:
    try:
        return files.sha256(path)
    except (PermissionError, IsADirectoryError, UserError):  # Probing gives the reason; a folder of frames is no file.
        return path


def _equal_content(uploads: Sequence[Video | HeldOutFile], contents: Sequence[str]) -> dict[int, _Copy]:
    """Copies by content: of any held-out file, or of an upload with the same interval.

    A video called `a.jpg` cannot be decoded as the image that it seems to be: it is no copy of `a.mp4`, nor is that
    one a copy of it.
    """
    held_out: dict[str, int] = {}
    firsts: dict[tuple[str, bool, tuple[float, float]], int] = {}
    copies: dict[int, _Copy] = {}
    for position, (upload, content) in enumerate(zip(uploads, contents, strict=True)):
        if isinstance(upload, HeldOutFile):
            held_out.setdefault(content, position)
            continue
        first = held_out.get(content)
        if first is None:
            first = firsts.setdefault((content, is_image(upload.path), upload.interval), position)
        if first != position:
            copies[position] = _Copy(first, 0.0, _SAME_CONTENT)
    return copies


def _near(
    uploads: Sequence[Video | HeldOutFile],
    contents: Sequence[str],
    compared: Sequence[int],
    folder: pathlib.Path,
    num_workers: int,
    seconds_per_video: float,
) -> dict[int, _Copy]:
    """Near-duplicates among the uploads at the positions `compared`; parts of one file are none."""
    intervals = [_interval(uploads[position]) for position in compared]
    fingerprints = make_fingerprints(intervals, folder, num_workers, seconds_per_video)
    _report_missing(fingerprints.is_made, [uploads[position] for position in compared])
    is_held_out = np.array([isinstance(uploads[position], HeldOutFile) for position in compared])
    copies = find_copies(fingerprints, is_held_out, [contents[position] for position in compared], num_workers)
    return {
        compared[place]: _Copy(compared[copy.partner], copy.common.distance, _relation(copy.common))
        for place, copy in copies.items()
    }


def _interval(upload: Video | HeldOutFile) -> Interval:
    return Interval(upload.path, *upload.interval, upload.frames_fps)


def _relation(common: Common) -> str:
    return _NEAR if common.is_most else f"shows {common.seconds:.1f} s of"


def _report_missing(is_made: np.ndarray, uploads: Sequence[Video | HeldOutFile]) -> None:
    missing = [upload for upload, made in zip(uploads, is_made, strict=True) if not made]
    if missing:
        num_held_out = sum(isinstance(upload, HeldOutFile) for upload in missing)
        print(
            f"{len(missing) - num_held_out:,} uploads and {num_held_out:,} held-out videos could not be decoded for "
            "the comparison: compared by id, name, address and equal bytes only"
        )


def _without(
    copies: dict[int, _Copy],
    entries: Sequence[Video | Rejection],
    ranked: Sequence[tuple[int, Video]],
    held_out: Sequence[HeldOutFile],
) -> list[Video | Rejection]:
    """Rejects the copies and gives their queries to the kept ones. Positions count the held-out, then `ranked`."""
    kept = list(entries)
    queries = {place: list(video.queries) for place, video in ranked}
    for position in sorted(copies):
        place, video = ranked[position - len(held_out)]
        copy = _followed(copies, position)
        if copy.partner < len(held_out):
            partner = held_out[copy.partner]
            name, kind, detail = (
                partner.name,
                "held out",
                f"({copy.relation} {partner.name} of {partner.manifest})",
            )
        else:
            place_of_kept, kept_video = ranked[copy.partner - len(held_out)]
            queries[place_of_kept] += video.queries
            name = kept_video.video_id
            kind = "near-duplicate" if copy.relation == _NEAR else "duplicate"
            detail = f"(of {name})" if copy.relation == _NEAR else f"({copy.relation} {name})"
        kept[place] = Rejection(
            path=video.listed_path,
            video_id=video.video_id,
            label="|".join(video.label_texts),
            kind=kind,
            detail=detail,
            partner=name,
            distance=round(copy.distance, 4),
        )
    return [
        dataclasses.replace(entry, queries=tuple(dict.fromkeys(queries[place]))) if isinstance(entry, Video) else entry
        for place, entry in enumerate(kept)
    ]


def _followed(copies: dict[int, _Copy], position: int) -> _Copy:
    """A file whose equal turned out to be near another one is a copy of that one."""
    copy = copies[position]
    return _followed(copies, copy.partner) if copy.partner in copies else copy
