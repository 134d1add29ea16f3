"""The shards of a plan as files: videos are cut by workers, their clips written in the plan's order."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from spl_tf import files
from spl_tf.data.building.cutting import Cut, read_spool, spool_clips
from spl_tf.data.building.plan import Plan, ShardPlan, reject
from spl_tf.data.building.resume import Progress, ShardState, shard_path
from spl_tf.data.building.settings import Settings
from spl_tf.data.record import clip_to_bytes
from spl_tf.data.record_files import write_record
from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.labels.sidecar_files import ids_digest


def write_missing_shards(
    plan: Plan, settings: Settings, folder: pathlib.Path, num_workers: int, seconds_per_video: float
) -> dict[str, ShardState]:
    """Writes the shards that are not there yet; returns the states of all by name, in the plan's order."""
    progress = Progress(folder)
    written = {shard.name: progress.state(shard, settings) for shard in plan.shards}
    states = {name: state for name, state in written.items() if state is not None}
    missing = [shard for shard in plan.shards if shard.name not in states]
    cuts = [cut for shard in missing for cut in shard.cuts]
    num_videos = sum(len(shard.cuts) for shard in plan.shards)
    # A video's clips wait on disk: none reaches a shard before the whole video is known to be good.
    with (
        progress.spool_folder() as spools,
        tqdm(total=num_videos, initial=num_videos - len(cuts), desc="cutting", unit="video") as bar,
    ):
        jobs = [
            Cut(cut.video, cut.windows, settings.clip_format, str(spools / str(number)))
            for number, cut in enumerate(cuts)
        ]
        results = run_in_workers(spool_clips, jobs, num_workers=num_workers, seconds_per_job=seconds_per_video)
        with contextlib.closing(results):
            cut_videos = zip(jobs, results, strict=True)
            for shard in missing:
                state = _write_shard(shard, cut_videos, settings, folder, bar)
                progress.save_state(shard, settings, state)
                states[shard.name] = state
    return {shard.name: states[shard.name] for shard in plan.shards}


def _write_shard(
    shard: ShardPlan, cut_videos: Iterator[tuple[Cut, Any]], settings: Settings, folder: pathlib.Path, bar: tqdm
) -> ShardState:
    """Takes the next `len(shard.cuts)` videos and writes their clips as one file."""
    clip_ids, rejected, noted, videos, multi_label = [], [], [], 0, False
    counts = [0] * len(settings.classes)
    path = shard_path(folder, shard.name)
    with files.atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            for _ in shard.cuts:
                cut, result = next(cut_videos)
                bar.update()
                if isinstance(result, Failure):
                    rejected.append(reject(cut.video, result))
                else:
                    videos += 1
                    noted += [reject(cut.video, note) for note in result.notes]
                    for clip in read_spool(cut.spool, result.count):
                        write_record(file, clip_to_bytes(clip))
                        clip_ids.append(clip.clip_id)
                        multi_label |= len(clip.labels) > 1
                        for label in clip.labels:
                            counts[label] += 1
                pathlib.Path(cut.spool).unlink(missing_ok=True)
        num_bytes, fingerprint = temporary.stat().st_size, files.sha256(temporary)
    return ShardState(
        records=len(clip_ids),
        videos=videos,
        num_bytes=num_bytes,
        fingerprint=fingerprint,
        ids_digest=ids_digest(clip_ids),
        multi_label=multi_label,
        clips_per_class=counts,
        rejected=rejected,
        noted=noted,
    )
