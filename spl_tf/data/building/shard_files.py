"""The shards of a plan as files: videos are cut by workers, their clips written in the plan's order."""

import collections
import contextlib
import itertools
import pathlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from tqdm import tqdm

from spl_tf import claims, files
from spl_tf.claims import Claims
from spl_tf.data.building.cutting import Cut, read_spool, spool_clips
from spl_tf.data.building.plan import ShardPlan, reject
from spl_tf.data.building.resume import Progress, ShardState
from spl_tf.data.building.settings import Settings
from spl_tf.data.building.stored_plan import StoredPlan
from spl_tf.data.record import clip_to_bytes
from spl_tf.data.record_files import write_record
from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.errors import UserError
from spl_tf.labels.sidecar_files import ids_digest
from spl_tf.remote import mirror

# A shard, one of its videos as a job, and what the worker says of it.
_CutVideo = tuple[ShardPlan, Cut, Any]


def write_missing_shards(
    plan: StoredPlan,
    settings: Settings,
    folder: pathlib.Path,
    num_workers: int,
    seconds_per_video: float,
    tasks: Claims | None = None,
    is_finished: Callable[[], bool] = lambda: False,
) -> None:
    """Writes the shards that are not there yet; with other tasks, those that this one claims, until all are there.

    Args:
      plan: of all shards.
      settings: of the plan.
      folder: gets the shards and their notes.
      num_workers: processes.
      seconds_per_video: time limit for one video.
      tasks: the claims of tasks that share the folder; None where this run is alone.
      is_finished: whether another task has finished the folder, and removed the notes.
    """
    progress, known = Progress(folder), set[str]()
    with tqdm(total=sum(plan.num_videos.values()), desc="cutting", unit="video") as bar:

        def is_done(name: str) -> bool:
            if name in known or is_finished():
                return True
            if progress.state(name, plan) is None:
                return False
            known.add(name)
            bar.update(plan.num_videos[name])
            return True

        names = list(plan.num_videos)
        if tasks is None:
            names = [name for name in names if not is_done(name)]
            progress.remove_leftovers()
        bar.refresh()
        with progress.spool_folder() as spools:
            for mine in claims.rounds(tasks, names, is_done):
                shards = map(plan.shard, mine)
                if tasks is not None:
                    shards = map(_require_files, shards)
                written = write_shards(shards, settings, spools, num_workers, seconds_per_video, bar.update)
                for shard, state, path in written:
                    progress.save_state(shard.name, plan, state, path)
                    known.add(shard.name)


def write_shards(
    shards: Iterable[ShardPlan],
    settings: Settings,
    folder: pathlib.Path,
    num_workers: int,
    seconds_per_video: float,
    done_videos: Callable[[int], object] = lambda count: None,
) -> Iterator[tuple[ShardPlan, ShardState, pathlib.Path]]:
    """Cuts videos and writes shards, each of them a function of its plan and the settings alone.

    Args:
      shards: the next one is asked for when a worker has no video left to cut.
      settings: how clips are cut.
      folder: for the shards, and the clips of videos that are not in one yet.
      num_workers: processes, which cut videos of several shards side by side.
      seconds_per_video: time limit for one video.
      done_videos: is called with 1 for every video.

    Yields:
      each shard with what is known of it and its file.
    """
    # A video's clips wait on disk: none reaches a shard before the whole video is known to be good.
    with contextlib.closing(_cut_videos(shards, settings, folder, num_workers, seconds_per_video)) as cut_videos:
        while (first := next(cut_videos, None)) is not None:
            shard = first[0]
            of_shard = itertools.chain([first], itertools.islice(cut_videos, len(shard.cuts) - 1))
            path = folder / f"{shard.name}.tfrecord"
            yield shard, write_shard_file(of_shard, settings, path, done_videos), path


def write_shard(
    shard: ShardPlan, settings: Settings, folder: pathlib.Path, num_workers: int, seconds_per_video: float
) -> tuple[ShardState, pathlib.Path]:
    """Of one shard what `write_shards` gives for many."""
    ((_, state, path),) = write_shards([shard], settings, folder, num_workers, seconds_per_video)
    return state, path


def _require_files(shard: ShardPlan) -> ShardPlan:
    """Refuses to reject videos on a host that lacks them: the task that made the plan has seen their files."""
    for cut in shard.cuts:
        path = pathlib.Path(cut.video.path)
        if not path.exists():
            raise UserError(
                f"{path} is not there on this host, and was there when the shards were planned: make the videos' "
                "folder visible to all tasks by the same path; without --task such a video is rejected"
            )
    return shard


def _cut_videos(
    shards: Iterable[ShardPlan], settings: Settings, folder: pathlib.Path, num_workers: int, seconds_per_video: float
) -> Generator[_CutVideo, None, None]:
    given = collections.deque[tuple[ShardPlan, Cut]]()

    def jobs() -> Iterator[Cut]:
        for shard in shards:
            mirror.refresh(*(cut.video.path for cut in shard.cuts))
            for number, cut in enumerate(shard.cuts):
                spool = str(folder / f"{shard.name}.{number}")
                given.append((shard, Cut(cut.video, cut.windows, settings.clip_format, spool)))
                yield given[-1][1]

    results = run_in_workers(spool_clips, jobs(), num_workers=num_workers, seconds_per_job=seconds_per_video)
    with contextlib.closing(results):
        while True:
            try:
                result = next(results)
            except StopIteration:
                return
            except OSError as error:  # A worker's own, of a file that it had open.
                raise OSError(error.errno, error.strerror, error.filename or str(folder)) from error
            yield (*given.popleft(), result)


def write_shard_file(
    cut_videos: Iterable[_CutVideo], settings: Settings, path: pathlib.Path, done_videos: Callable[[int], object]
) -> ShardState:
    """Writes the clips of a shard's videos as one file."""
    clip_ids, rejected, noted, videos, multi_label = [], [], [], 0, False
    counts = [0] * len(settings.classes)
    with files.atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            for _, cut, result in cut_videos:
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
                done_videos(1)
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
