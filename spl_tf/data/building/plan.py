"""What a run will do, decided before the first frame is decoded: which windows of which video go to which shard.

The plan is saved beside the shards, see `stored_plan`: a killed run goes on with the same one, and tasks share it.
"""

import dataclasses
import heapq
import math
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from spl_tf.data.building.cutting import Probe, probe
from spl_tf.data.building.damage import Note
from spl_tf.data.building.settings import Settings
from spl_tf.data.building.windows import choose_for_quota, count_windows, frames_per_clip, one_class_each
from spl_tf.data.file_kinds import is_image
from spl_tf.data.manifest import Rejection, Video
from spl_tf.data.workers import Failure, run_in_workers

_SHARD_BYTES = 100e6
_JPEG_BYTES_PER_PIXEL = 0.3
_CLIPS_PER_SMALL_SHARD = 64
_USUAL_SHARDS = 16  # at least twice what the readers of one machine open at a time
_FEWEST_SHARDS = 4


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedCut:
    """A video and its wanted windows; None for all."""

    video: Video
    windows: tuple[int, ...] | None


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """A shard's name and its videos in record order."""

    name: str
    cuts: tuple[PlannedCut, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """All shards, the rows rejected before any was begun, and those used in spite of a fault."""

    shards: tuple[ShardPlan, ...]
    rejected: tuple[Rejection, ...]
    noted: tuple[Rejection, ...] = ()


def make_plan(
    entries: Sequence[Video | Rejection], settings: Settings, num_workers: int, seconds_per_video: float
) -> Plan:
    """Probes every video's length and deals the videos to shards.

    All clips of a video go to one shard. Videos are dealt in a random order (seeded), each to the shard
    with the fewest clips so far, so that every shard mixes classes and shards are of like size.
    """
    rejected = [entry for entry in entries if isinstance(entry, Rejection)]
    videos, durations, noted = [], [], list[Rejection]()
    candidates = [entry for entry in entries if isinstance(entry, Video)]
    moving = [video for video in candidates if not is_image(video.path)]
    probes = run_in_workers(probe, moving, num_workers=num_workers, seconds_per_job=seconds_per_video)
    probed = iter(list(tqdm(probes, total=len(moving), desc="probing", unit="video", disable=not moving)))
    for video in candidates:
        found = Probe(0, 0) if is_image(video.path) else next(probed)
        if isinstance(found, Failure):
            rejected.append(reject(video, found))
        else:
            videos.append(video)
            durations.append(found.duration_us)
            noted += [reject(video, note) for note in found.notes]
    windows = [count_windows(duration, settings.clip_seconds, settings.fps) for duration in durations]
    cuts = [PlannedCut(video, None) for video in videos]
    if settings.clips_per_class is not None:
        video_classes = one_class_each([video.labels for video in videos], settings.seed)
        chosen = choose_for_quota(windows, video_classes, settings.clips_per_class, settings.seed)
        cuts = [PlannedCut(video, indices) for video, indices in zip(videos, chosen, strict=True)]
        windows = [len(indices) for indices in chosen]
    cuts, sizes = [cut for cut in cuts if cut.windows != ()], [count for count in windows if count]
    num_shards = settings.num_shards or usual_num_shards(sizes, durations, settings)
    return Plan(_deal(cuts, sizes, min(num_shards, len(cuts)), settings), tuple(rejected), tuple(noted))


def usual_num_shards(clips_per_video: Sequence[int], durations_us: Sequence[int], settings: Settings) -> int:
    """Shards of about 100 MB; a small data set gets up to 16 smaller ones, so that readers can work side by side."""
    num_clips = sum(clips_per_video)
    if settings.clip_seconds == 0:
        num_frames = sum(durations_us) / 1e6 * settings.fps + num_clips
    else:
        num_frames = num_clips * frames_per_clip(settings.clip_seconds, settings.fps)
    num_bytes = num_frames * settings.short_side**2 * 16 / 9 * _JPEG_BYTES_PER_PIXEL
    by_clips = min(_USUAL_SHARDS, math.ceil(num_clips / _CLIPS_PER_SMALL_SHARD))
    return max(_FEWEST_SHARDS, by_clips, min(99_999, math.ceil(num_bytes / _SHARD_BYTES)))


def reject(video: Video, failure: Failure | Note) -> Rejection:
    """The row of `rejected.csv` or `notes.csv`."""
    return Rejection(video.listed_path, video.video_id, "|".join(video.label_texts), failure.kind, failure.detail)


def _deal(
    cuts: Sequence[PlannedCut], clips_per_cut: Sequence[int], num_shards: int, settings: Settings
) -> tuple[ShardPlan, ...]:
    contents: list[list[PlannedCut]] = [[] for _ in range(num_shards)]
    emptiest = [(0, shard) for shard in range(num_shards)]
    for place in np.random.default_rng(settings.seed).permutation(len(cuts)):
        clips, shard = emptiest[0]
        contents[shard].append(cuts[place])
        heapq.heapreplace(emptiest, (clips + clips_per_cut[place], shard))
    names = [f"{settings.manifest}-{shard:05d}-of-{num_shards:05d}" for shard in range(num_shards)]
    return tuple(ShardPlan(name, tuple(content)) for name, content in zip(names, contents, strict=True))
