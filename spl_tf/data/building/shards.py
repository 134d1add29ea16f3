"""Builds a folder of shards from a manifest: resumable, atomic, the same bytes whatever the number of workers."""

import os
import pathlib
from collections.abc import Callable, Sequence

from spl_tf import claims, files
from spl_tf.claims import Claims, Task
from spl_tf.data.building.finishing import NOTES_FILE, REJECTED_FILE, by_reason, finish, finished_dataset
from spl_tf.data.building.plan import Plan, make_plan
from spl_tf.data.building.resume import Progress
from spl_tf.data.building.settings import Settings, settings_of
from spl_tf.data.building.stored_plan import StoredPlan
from spl_tf.data.dataset import FILE_NAME, ClipDataset, load_dataset
from spl_tf.data.duplicates.fingerprint_files import list_pieces, make_pieces
from spl_tf.data.duplicates.held_out import HeldOut, HeldOutFile, read_held_out, reject_held_out
from spl_tf.data.duplicates.uploads import compared_intervals, drop_duplicates, merge_repeated
from spl_tf.data.lists.class_folders import manifest_digest
from spl_tf.data.manifest import Rejection, Video, read_manifest
from spl_tf.errors import UserError


def write_shards(
    manifest: files.Path,
    output_dir: files.Path,
    *,
    classes: Sequence[str],
    label_column: str = "label",
    clip_seconds: float,
    fps: float,
    frames_fps: float | None = None,
    short_side: int,
    jpeg_quality: int = 90,
    clips_per_class: int | None = None,
    num_shards: int | None = None,
    exclude: Sequence[files.Path] = (),
    keep_duplicates: bool = False,
    workers: int | None = None,
    seed: int = 0,
    seconds_per_video: float = 600.0,
    task: Task | None = None,
) -> ClipDataset:
    """Cuts the manifest's videos into clips and stores them as TFRecord shards in `output_dir`.

    `dataset.json` is written last: it marks the folder as finished. The same call goes on
    where a killed one stopped, and returns at once when the folder is finished.

    Args:
      manifest: CSV or JSONL file, list or folder, see `spl_tf.data.manifest`.
      output_dir: created when missing.
      classes: ordered class names.
      label_column: the manifest's column with the class names.
      clip_seconds: length of a clip; 0 makes one record of a whole video.
      fps: frames per second of the clips.
      frames_fps: frames per second of folders of frames, where a row has none; None takes no folder without.
      short_side: of the stored frames, pixels.
      jpeg_quality: 1 to 100.
      clips_per_class: quota, see `spl_tf.data.building.windows.choose_for_quota`; None for all windows.
      num_shards: None to choose by size.
      exclude: manifests of held-out videos, which are kept out by id, address, content or name, see
        `spl_tf.data.duplicates.held_out`.
      keep_duplicates: compare no contents, neither of the videos with each other nor with held-out ones. For
        clean sets, which stay as they are given.
      workers: processes; None for one per core.
      seed: of the order of the videos and of the quota's draw.
      seconds_per_video: time limit for one video.
      task: this process is one of several, on any hosts, that make the shards together; each returns when all is done.

    Raises:
      UserError: the manifest is no table, a setting is out of range, the folder holds other
        shards or is in use, no row gave a clip, or the other tasks were asked for something else.
      OSError: the folder cannot be written to.
    """
    output_dir = pathlib.Path(output_dir)
    num_workers = (os.cpu_count() or 1) if workers is None else workers
    for name, names in (("classes", classes), ("exclude", exclude)):
        if isinstance(names, str):
            raise UserError(f"{name} = {names!r}: give a list, e.g. [{names!r}]")
    if num_workers < 1 or not seconds_per_video > 0:
        raise UserError(f"workers is {workers}, seconds_per_video {seconds_per_video}: both must be above 0")
    if pathlib.Path(manifest).is_dir() and output_dir.resolve().is_relative_to(pathlib.Path(manifest).resolve()):
        raise UserError(
            f"{output_dir} lies in the folder {manifest}, whose files are read: choose another --output_dir"
        )
    held_out = read_held_out(exclude, compares_contents=not keep_duplicates, frames_fps=frames_fps)
    settings = settings_of(
        manifest,
        label_column=label_column,
        classes=tuple(classes),
        clip_seconds=float(clip_seconds),
        fps=float(fps),
        frames_fps=frames_fps,
        short_side=short_side,
        jpeg_quality=jpeg_quality,
        clips_per_class=clips_per_class,
        num_shards=num_shards,
        exclude_sha256=tuple(map(manifest_digest, exclude)),
        keep_duplicates=keep_duplicates,
        seed=seed,
    )
    progress = Progress(output_dir)
    finished = finished_dataset(output_dir, settings)  # Before the lock: the folder may be read-only.
    if finished and not progress.is_left():
        return finished
    if task is not None:
        manifest = pathlib.Path(manifest).absolute()  # The plan names the videos for all tasks.
    with files.locked(output_dir, "the shards", shared=task is not None):
        if finished_dataset(output_dir, settings) is None:
            building = _Building(manifest, held_out, settings, output_dir, num_workers, seconds_per_video)
            if task is None:
                building.run(None)
            else:
                progress.require_same_settings(settings)  # Before this task's own are what all others must have.
                tasks = Claims(progress.claims, task)
                asked = {"manifest_path": str(manifest), "seconds_per_video": seconds_per_video}
                tasks.require_same(asked | settings.as_json())
                with tasks.beating():
                    building.run(tasks)
        progress.clear()
    return load_dataset(output_dir)


class _Building:
    """What makes the shards that are not there yet, alone or with other tasks."""

    def __init__(
        self,
        manifest: files.Path,
        held_out: HeldOut,
        settings: Settings,
        folder: pathlib.Path,
        num_workers: int,
        seconds_per_video: float,
    ):
        self._manifest, self._held_out, self._settings, self._folder = manifest, held_out, settings, folder
        self._num_workers, self._seconds_per_video = num_workers, seconds_per_video
        self._progress = Progress(folder)

    def run(self, tasks: Claims | None) -> None:
        with claims.overtaken(tasks, self._is_finished):
            self._run(tasks)

    def _run(self, tasks: Claims | None) -> None:
        plan = self._plan(tasks)
        if plan is None:
            return
        # Imports TensorFlow: not before the user's mistakes have had their chance.
        from spl_tf.data.building.shard_files import write_missing_shards

        limits = self._num_workers, self._seconds_per_video
        write_missing_shards(plan, self._settings, self._folder, *limits, tasks, self._is_finished)
        for mine in claims.rounds(tasks, ["finish"], lambda unit: self._is_finished()):
            for _ in mine:
                finish(plan, self._settings, self._folder)

    def _is_finished(self) -> bool:
        return (self._folder / FILE_NAME).exists()

    def _plan(self, tasks: Claims | None) -> StoredPlan | None:
        """The plan, which one of the tasks makes; None where the folder was finished meanwhile."""
        progress, plan = self._progress, self._progress.plan(self._settings)

        def is_done(unit: str) -> bool:
            nonlocal plan
            if plan is None and progress.has_plan():
                plan = progress.plan(self._settings)
            return plan is not None or self._is_finished()

        if tasks is not None and not self._settings.keep_duplicates:
            self._share_fingerprints(tasks, is_done)
        for mine in claims.rounds(tasks, ["plan"], is_done):
            for _ in mine:
                progress.remove_plan()  # A damaged one, or another version's.
                progress.save_plan(self._settings, self._make_plan(), first=tasks is not None)
        is_done("plan")
        return plan

    def _share_fingerprints(self, tasks: Claims, is_planned: Callable[[str], bool]) -> None:
        """Makes the fingerprints that the plan needs, together with the other tasks; the longest part of planning."""
        pieces = self._progress.fingerprints / "pieces.json"
        for mine in tasks.rounds(["pieces"], lambda unit: pieces.exists() or is_planned(unit)):
            for _ in mine:
                list_pieces(compared_intervals(*self._entries()), pieces)
        if not is_planned("plan"):
            make_pieces(pieces, tasks, is_planned, self._num_workers, self._seconds_per_video)

    def _entries(self) -> tuple[list[Video | Rejection], list[HeldOutFile]]:
        """The manifest's rows that are no repetitions, and the files of held-out videos."""
        settings, held_out = self._settings, self._held_out
        entries = read_manifest(self._manifest, settings.classes, settings.label_column, settings.frames_fps)
        entries, rejected_files = reject_held_out(entries, held_out)
        entries = merge_repeated(entries, self._num_workers, self._seconds_per_video)
        return entries, [*held_out.files, *rejected_files]

    def _make_plan(self) -> Plan:
        settings, held_out = self._settings, self._held_out
        limits = self._num_workers, self._seconds_per_video
        entries, held_out_files = self._entries()
        if not settings.keep_duplicates:
            if held_out.num_missing_files:
                print(
                    f"{held_out.num_missing_files:,} held-out files are not there: compared by id, name and "
                    "address, and by content with the uploads found so"
                )
            entries = drop_duplicates(entries, held_out_files, self._progress.fingerprints, *limits)
        return make_plan(entries, settings, *limits)


def summary(dataset: ClipDataset) -> str:
    """One line: clips, videos, shards, size, rejected rows and faults by reason."""
    megabytes = sum(shard.num_bytes for shard in dataset.shards) / 1e6
    line = (
        f"{dataset.folder}: {dataset.num_clips:,} clips of {dataset.num_videos:,} videos "
        f"in {len(dataset.shards)} shards, {megabytes:,.1f} MB; rejected {sum(dataset.rejected.values()):,}"
    )
    if dataset.rejected:
        line += f" ({by_reason(dataset.rejected)}): see {REJECTED_FILE}"
    if dataset.notes:
        line += (
            f"; used in spite of faults {sum(dataset.notes.values()):,} ({by_reason(dataset.notes)}): see {NOTES_FILE}"
        )
    return line
